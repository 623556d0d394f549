/* SPDX-License-Identifier: MIT */
/*
 * The operands of emulated instructions: registers, immediates, and memory in
 * the MMIO window.
 */
#include <errno.h>
#include <string.h>

#include "testing/trap/insn.h"

/* Registers. */

greg_t *bf_trap_gpr(struct bf_trap_insn *in, ZydisRegister reg)
{
	static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX,
				    REG_RSP, REG_RBP, REG_RSI, REG_RDI,
				    REG_R8,  REG_R9,  REG_R10, REG_R11,
				    REG_R12, REG_R13, REG_R14, REG_R15};
	ZydisRegister full = ZydisRegisterGetLargestEnclosing(
		ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (full < ZYDIS_REGISTER_RAX || full > ZYDIS_REGISTER_R15)
		return NULL;
	return &in->regs[order[full - ZYDIS_REGISTER_RAX]];
}

/* AH, CH, DH and BH begin at bit 8. */
static unsigned int gpr_shift(ZydisRegister reg)
{
	return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH ? 8 : 0;
}

void bf_trap_gpr_set(greg_t *to, unsigned int shift, unsigned int bits,
		     uint64_t value)
{
	uint64_t mask = bf_trap_mask_bits(bits) << shift;

	if (bits == 32)
		*to = (greg_t)(value & UINT32_MAX);
	else
		*to = (greg_t)(((uint64_t)*to & ~mask) |
			       ((value << shift) & mask));
}

uint64_t bf_trap_gpr_get(const greg_t *from, unsigned int shift,
			 unsigned int bits)
{
	return ((uint64_t)*from >> shift) & bf_trap_mask_bits(bits);
}

/* Memory. */

bool bf_trap_in_window(const struct bf_trap *trap, uint64_t addr, uint64_t len)
{
	uint64_t offset = addr - (uintptr_t)trap->window;

	return offset < trap->mmio_size && len <= trap->mmio_size - offset;
}

int bf_trap_offer(struct bf_trap_vcpu *vcpu)
{
	if (vcpu->exit_fn(vcpu->opaque, vcpu->run))
		return 0;
	bf_trap_return_to_caller(vcpu);
	return vcpu->dying || vcpu->reboot ? -ECANCELED : 0;
}

static int mmio_fragment(struct bf_trap_vcpu *vcpu, uint64_t gpa, char *data,
			 uint32_t len, bool write)
{
	struct kvm_run *run = vcpu->run;
	int ret;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = write;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (write)
		memcpy(run->mmio.data, data, len);
	ret = bf_trap_offer(vcpu);
	if (!ret && !write)
		memcpy(data, run->mmio.data, len);
	return ret;
}

/* Splits the access as KVM does: at pages, and into at most 8 bytes. */
int bf_trap_mmio(struct bf_trap_vcpu *vcpu, uint64_t addr, char *data,
		 uint32_t len, bool write)
{
	struct bf_trap *trap = vcpu->trap;
	uint64_t gpa = addr - (uintptr_t)trap->window + trap->mmio_gpa;
	int ret = 0;

	while (len && !ret) {
		uint32_t page = BF_TRAP_PAGE - gpa % BF_TRAP_PAGE;
		uint32_t n = len < 8 ? len : 8;

		if (n > page)
			n = page;
		ret = mmio_fragment(vcpu, gpa, data, n, write);
		gpa += n;
		data += n;
		len -= n;
	}
	return ret;
}

/* Adds the base or index register, if the operand has one. */
static int add_register(struct bf_trap_insn *in, ZydisRegister reg,
			uint64_t scale, uint64_t *addr)
{
	const greg_t *from;

	if (reg == ZYDIS_REGISTER_NONE)
		return 0;
	if (reg == ZYDIS_REGISTER_RIP) {
		*addr += (uint64_t)in->regs[REG_RIP] + in->z.length;
		return 0;
	}
	from = bf_trap_gpr(in, reg);
	if (!from)
		return -EOPNOTSUPP;
	*addr += (uint64_t)*from * scale;
	return 0;
}

bool bf_trap_has_segment_base(const struct bf_trap_insn *in)
{
	return in->z.attributes &
	       (ZYDIS_ATTRIB_HAS_SEGMENT_FS | ZYDIS_ATTRIB_HAS_SEGMENT_GS);
}

static int effective_addr(struct bf_trap_insn *in,
			  const ZydisDecodedOperand *op, uint64_t *addr)
{
	if (bf_trap_has_segment_base(in) ||
	    op->mem.type != ZYDIS_MEMOP_TYPE_MEM)
		return -EOPNOTSUPP;
	*addr = (uint64_t)op->mem.disp.value;
	if (add_register(in, op->mem.base, 1, addr) ||
	    add_register(in, op->mem.index, op->mem.scale, addr))
		return -EOPNOTSUPP;
	*addr &= bf_trap_mask_bits(in->z.address_width);
	return 0;
}

int bf_trap_memory_operand(struct bf_trap_insn *in,
			   const ZydisDecodedOperand *op, void *data,
			   uint32_t len, bool write)
{
	uint64_t addr;

	if (effective_addr(in, op, &addr) ||
	    !bf_trap_in_window(in->vcpu->trap, addr, len))
		return -EOPNOTSUPP;
	return bf_trap_mmio(in->vcpu, addr, data, len, write);
}

/* Operands of 8 to 64 bits. */

int bf_trap_operand_read(struct bf_trap_insn *in, const ZydisDecodedOperand *op,
			 uint64_t *value)
{
	greg_t *from;

	*value = 0;
	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		*value = op->imm.value.u;
		return 0;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		from = bf_trap_gpr(in, op->reg.value);
		if (!from)
			return -EOPNOTSUPP;
		*value = bf_trap_gpr_get(from, gpr_shift(op->reg.value),
					 op->size);
		return 0;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (op->size > 64)
			return -EOPNOTSUPP;
		return bf_trap_memory_operand(in, op, value, op->size / 8,
					      false);
	default:
		return -EOPNOTSUPP;
	}
}

int bf_trap_operand_write(struct bf_trap_insn *in,
			  const ZydisDecodedOperand *op, uint64_t value)
{
	greg_t *to;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		to = bf_trap_gpr(in, op->reg.value);
		if (!to)
			return -EOPNOTSUPP;
		bf_trap_gpr_set(to, gpr_shift(op->reg.value), op->size, value);
		return 0;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		if (op->size > 64)
			return -EOPNOTSUPP;
		return bf_trap_memory_operand(in, op, &value, op->size / 8,
					      true);
	default:
		return -EOPNOTSUPP;
	}
}
