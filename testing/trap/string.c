/* SPDX-License-Identifier: MIT */
/* String operations on the window, and port instructions. */
#include <errno.h>
#include <string.h>

#include "testing/trap/insn.h"

#define EFLAGS_DF (1u << 10)

/* String operations. */

static bool is_repeated(const struct bf_trap_insn *in)
{
	return in->z.attributes &
	       (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE |
		ZYDIS_ATTRIB_HAS_REPNE);
}

/* Advances an index register, backward if DF is set. */
static void advance(struct bf_trap_insn *in, int index, uint64_t bytes)
{
	if (in->regs[REG_EFL] & EFLAGS_DF)
		bytes = -bytes;
	in->regs[index] = (greg_t)((uint64_t)in->regs[index] + bytes);
}

static bool is_plain_string(const struct bf_trap_insn *in)
{
	return in->z.address_width == 64 && !bf_trap_has_segment_base(in);
}

/* Accesses one element at addr, in the window or in guest memory. */
static int element(struct bf_trap_insn *in, uint64_t addr, uint64_t *value,
		   bool write)
{
	uint32_t len = in->z.operand_width / 8;
	struct bf_trap *trap = in->vcpu->trap;

	if (bf_trap_in_window(trap, addr, len))
		return bf_trap_mmio(in->vcpu, addr, (char *)value, len, write);
	return bf_trap_copy(trap, addr, value, len, write) ? 0 : -EOPNOTSUPP;
}

static bool touches_window(const struct bf_trap_insn *in,
			   struct bf_trap_string form)
{
	uint32_t len = in->z.operand_width / 8;
	const struct bf_trap *trap = in->vcpu->trap;

	return (form.load &&
		bf_trap_in_window(trap, (uint64_t)in->regs[REG_RSI], len)) ||
	       (form.store &&
		bf_trap_in_window(trap, (uint64_t)in->regs[REG_RDI], len));
}

static int string_element(struct bf_trap_insn *in, struct bf_trap_string form)
{
	greg_t *rax = &in->regs[REG_RAX];
	uint64_t value = (uint64_t)*rax;
	int ret = 0;

	if (form.load)
		ret = element(in, (uint64_t)in->regs[REG_RSI], &value, false);
	if (!ret && form.store)
		ret = element(in, (uint64_t)in->regs[REG_RDI], &value, true);
	if (ret)
		return ret;
	if (form.load)
		advance(in, REG_RSI, in->z.operand_width / 8);
	if (form.store)
		advance(in, REG_RDI, in->z.operand_width / 8);
	else
		bf_trap_gpr_set(rax, 0, in->z.operand_width, value);
	return 0;
}

/*
 * MOVS, STOS, LODS.  Repeats a REP operation as long as the element touches the
 * window and no kick is pending.  The processor then executes the rest, and
 * faults again at the next element in the window.
 */
int bf_trap_string_move(struct bf_trap_insn *in, struct bf_trap_string form)
{
	greg_t *rcx = &in->regs[REG_RCX];
	int ret;

	if (!is_plain_string(in) || !touches_window(in, form))
		return -EOPNOTSUPP;
	if (!is_repeated(in)) {
		ret = string_element(in, form);
		if (!ret)
			bf_trap_finish(in);
		return ret;
	}
	do {
		ret = string_element(in, form);
		if (ret)
			return ret;
		if (--*rcx == 0) {
			bf_trap_finish(in);
			return 0;
		}
	} while (touches_window(in, form) && !bf_trap_interrupted(in->vcpu));
	return 0;
}

/* Ports. */

/* Bytes of an element: at most 4, even with REX.W. */
static uint8_t io_size(const struct bf_trap_insn *in)
{
	return in->z.operand_width < 32 ? in->z.operand_width / 8 : 4;
}

static char *io_data(struct bf_trap_vcpu *vcpu)
{
	return (char *)vcpu->run + BF_TRAP_IO_OFFSET;
}

static int offer_io(struct bf_trap_insn *in, uint64_t port, bool out,
		    uint32_t count)
{
	struct kvm_run *run = in->vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = io_size(in);
	run->io.port = (uint16_t)port;
	run->io.count = count;
	run->io.data_offset = BF_TRAP_IO_OFFSET;
	if (!out)
		memset(io_data(in->vcpu), 0, (size_t)count * run->io.size);
	return bf_trap_offer(in->vcpu);
}

int bf_trap_port_in(struct bf_trap_insn *in)
{
	uint64_t port, value = 0;
	int ret;

	ret = bf_trap_operand_read(in, &in->op[1], &port);
	if (!ret)
		ret = offer_io(in, port, false, 1);
	if (ret)
		return ret;
	memcpy(&value, io_data(in->vcpu), io_size(in));
	bf_trap_finish(in);
	return bf_trap_operand_write(in, &in->op[0], value);
}

int bf_trap_port_out(struct bf_trap_insn *in)
{
	uint64_t port, value;
	int ret;

	ret = bf_trap_operand_read(in, &in->op[0], &port);
	if (!ret)
		ret = bf_trap_operand_read(in, &in->op[1], &value);
	if (ret)
		return ret;
	memcpy(io_data(in->vcpu), &value, io_size(in));
	ret = offer_io(in, port, true, 1);
	if (!ret)
		bf_trap_finish(in);
	return ret;
}

/*
 * Copies up to count elements between guest memory at the index register and
 * the data of the exit.  Stops at the end of guest memory.  Returns the number
 * of elements copied.
 */
static uint32_t copy_elements(struct bf_trap_insn *in, int index,
			      uint32_t count, bool out)
{
	uint32_t len = io_size(in);
	char *data = io_data(in->vcpu);
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (!bf_trap_copy(in->vcpu->trap, (uint64_t)in->regs[index],
				  data, len, !out))
			break;
		data += len;
		advance(in, index, len);
	}
	return i;
}

/* Returns how many of count elements, from index on, lie in guest memory. */
static uint32_t count_elements(const struct bf_trap_insn *in, int index,
			       uint32_t count)
{
	uint32_t len = io_size(in);
	uint64_t step_bytes = in->regs[REG_EFL] & EFLAGS_DF ? -(uint64_t)len :
							      len;
	uint64_t addr = (uint64_t)in->regs[index];
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (!bf_trap_is_memory(in->vcpu->trap, addr, len))
			break;
		addr += step_bytes;
	}
	return i;
}

/* INS, OUTS: one exit for as many elements as the data area holds. */
int bf_trap_string_io(struct bf_trap_insn *in, bool out)
{
	int index = out ? REG_RSI : REG_RDI;
	greg_t saved = in->regs[index];
	uint64_t left = is_repeated(in) ? (uint64_t)in->regs[REG_RCX] : 1;
	uint32_t room = BF_TRAP_IO_SIZE / io_size(in);
	uint32_t count;
	int ret;

	if (!is_plain_string(in))
		return -EOPNOTSUPP;
	count = left < room ? (uint32_t)left : room;
	if (out)
		count = copy_elements(in, index, count, true);
	else
		count = count_elements(in, index, count);
	if (left && !count)
		return -EOPNOTSUPP;
	ret = count ? offer_io(in, (uint64_t)in->regs[REG_RDX], out, count) : 0;
	if (ret) {
		in->regs[index] = saved;
		return ret;
	}
	/* The caller may have removed the slot during the exit. */
	if (!out && copy_elements(in, index, count, false) < count) {
		in->regs[index] = saved;
		return -EOPNOTSUPP;
	}
	if (is_repeated(in))
		in->regs[REG_RCX] = (greg_t)(left - count);
	if (left == count || !is_repeated(in))
		bf_trap_finish(in);
	return 0;
}
