/* SPDX-License-Identifier: MIT */
/*
 * Decodes the instruction at which the guest stopped, and emulates moves and
 * ALU operations on the MMIO window.
 */
#include <errno.h>
#include <string.h>

#include "testing/trap/insn.h"

static uint64_t sign_extend(uint64_t value, unsigned int bits)
{
	uint64_t sign = 1ull << (bits - 1);

	return ((value & bf_trap_mask_bits(bits)) ^ sign) - sign;
}

/* MOV, MOVZX, MOVSX, MOVSXD. */
static int move(struct bf_trap_insn *in, bool sign)
{
	uint64_t value;
	int ret;

	ret = bf_trap_operand_read(in, &in->op[1], &value);
	if (ret)
		return ret;
	if (sign)
		value = sign_extend(value, in->op[1].size);
	ret = bf_trap_operand_write(in, &in->op[0], value);
	if (!ret)
		bf_trap_finish(in);
	return ret;
}

/* Moves 4 to 16 bytes between an SSE register and the window. */
static int move_vector(struct bf_trap_insn *in)
{
	bool write = in->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
	const ZydisDecodedOperand *mem = &in->op[write ? 0 : 1];
	const ZydisDecodedOperand *reg = &in->op[write ? 1 : 0];
	char data[16] = {0};
	uint32_t *xmm;
	int ret;

	if (reg->type != ZYDIS_OPERAND_TYPE_REGISTER ||
	    ZydisRegisterGetClass(reg->reg.value) != ZYDIS_REGCLASS_XMM ||
	    mem->type != ZYDIS_OPERAND_TYPE_MEMORY ||
	    mem->size > 8 * sizeof(data))
		return -EOPNOTSUPP;
	xmm = in->fp->_xmm[ZydisRegisterGetId(reg->reg.value)].element;
	if (write)
		memcpy(data, xmm, sizeof(data));
	ret = bf_trap_memory_operand(in, mem, data, mem->size / 8, write);
	if (ret)
		return ret;
	if (!write)
		memcpy(xmm, data, sizeof(data));
	bf_trap_finish(in);
	return 0;
}

/* MOVD and MOVQ take a general or an SSE register. */
static int move_either(struct bf_trap_insn *in)
{
	if (in->op[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	    bf_trap_gpr(in, in->op[0].reg.value))
		return move(in, false);
	return move_vector(in);
}

/* Reads both operands, cut to the size of the first. */
static int read_both(struct bf_trap_insn *in, uint64_t *a, uint64_t *b)
{
	int ret = bf_trap_operand_read(in, &in->op[0], a);

	if (!ret)
		ret = bf_trap_operand_read(in, &in->op[1], b);
	*b &= bf_trap_mask_bits(in->op[0].size);
	return ret;
}

/* Stores the first operand's new value, then the flags. */
static int finish_alu(struct bf_trap_insn *in, uint64_t value, uint64_t flags)
{
	int ret = bf_trap_operand_write(in, &in->op[0], value);

	if (ret)
		return ret;
	in->regs[REG_EFL] = (greg_t)flags;
	bf_trap_finish(in);
	return 0;
}

static int alu(struct bf_trap_insn *in, enum bf_trap_alu op)
{
	uint64_t flags = (uint64_t)in->regs[REG_EFL];
	uint64_t a, b = 0;
	int ret;

	ret = read_both(in, &a, &b);
	if (ret)
		return ret;
	a = bf_trap_alu(op, in->op[0].size, a, b, &flags);
	return finish_alu(in, a, flags);
}

/* CMP and TEST set only flags. */
static int compare(struct bf_trap_insn *in, enum bf_trap_alu op)
{
	uint64_t flags = (uint64_t)in->regs[REG_EFL];
	uint64_t a, b = 0;
	int ret;

	ret = read_both(in, &a, &b);
	if (ret)
		return ret;
	bf_trap_alu(op, in->op[0].size, a, b, &flags);
	in->regs[REG_EFL] = (greg_t)flags;
	bf_trap_finish(in);
	return 0;
}

/* INC and DEC keep the carry. */
static int step(struct bf_trap_insn *in, enum bf_trap_alu op)
{
	uint64_t before = (uint64_t)in->regs[REG_EFL];
	uint64_t flags = before;
	uint64_t a;
	int ret;

	ret = bf_trap_operand_read(in, &in->op[0], &a);
	if (ret)
		return ret;
	a = bf_trap_alu(op, in->op[0].size, a, 1, &flags);
	return finish_alu(in, a, (flags & ~1ull) | (before & 1));
}

static int negate(struct bf_trap_insn *in, bool twos_complement)
{
	uint64_t flags = (uint64_t)in->regs[REG_EFL];
	uint64_t a;
	int ret;

	ret = bf_trap_operand_read(in, &in->op[0], &a);
	if (ret)
		return ret;
	if (twos_complement)
		a = bf_trap_alu(BF_TRAP_SUB, in->op[0].size, 0, a, &flags);
	else
		a = ~a;
	return finish_alu(in, a, flags);
}

/* XCHG, and with add XADD: the first operand gets the sum. */
static int exchange(struct bf_trap_insn *in, bool add)
{
	/* The memory operand of XCHG may be the first or the second. */
	bool swap = in->op[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
	const ZydisDecodedOperand *mem = &in->op[swap];
	const ZydisDecodedOperand *reg = &in->op[!swap];
	uint64_t flags = (uint64_t)in->regs[REG_EFL];
	uint64_t a, b, sum;
	int ret;

	ret = bf_trap_operand_read(in, mem, &a);
	if (!ret)
		ret = bf_trap_operand_read(in, reg, &b);
	if (ret)
		return ret;
	sum = add ? bf_trap_alu(BF_TRAP_ADD, mem->size, a, b, &flags) : b;
	ret = bf_trap_operand_write(in, mem, sum);
	if (ret)
		return ret;
	in->regs[REG_EFL] = (greg_t)flags;
	bf_trap_finish(in);
	return bf_trap_operand_write(in, reg, a);
}

/* Like the processor, writes the old value back if the values differ. */
static int compare_exchange(struct bf_trap_insn *in)
{
	unsigned int bits = in->op[0].size;
	uint64_t flags = (uint64_t)in->regs[REG_EFL];
	uint64_t a, b = 0, expected;
	bool equal;
	int ret;

	ret = read_both(in, &a, &b);
	if (ret)
		return ret;
	expected = bf_trap_gpr_get(&in->regs[REG_RAX], 0, bits);
	equal = !bf_trap_alu(BF_TRAP_SUB, bits, expected, a, &flags);
	ret = finish_alu(in, equal ? b : a, flags);
	if (!ret && !equal)
		bf_trap_gpr_set(&in->regs[REG_RAX], 0, bits, a);
	return ret;
}

static int halt(struct bf_trap_insn *in)
{
	bf_trap_finish(in);
	in->vcpu->run->exit_reason = KVM_EXIT_HLT;
	bf_trap_return_to_caller(in->vcpu);
	return 0;
}

/* An access to the window faults with #PF, all else with #GP. */

static int emulate_protection(struct bf_trap_insn *in)
{
	switch (in->z.mnemonic) {
	case ZYDIS_MNEMONIC_HLT:
		return halt(in);
	case ZYDIS_MNEMONIC_IN:
		return bf_trap_port_in(in);
	case ZYDIS_MNEMONIC_OUT:
		return bf_trap_port_out(in);
	case ZYDIS_MNEMONIC_INSB:
	case ZYDIS_MNEMONIC_INSW:
	case ZYDIS_MNEMONIC_INSD:
		return bf_trap_string_io(in, false);
	case ZYDIS_MNEMONIC_OUTSB:
	case ZYDIS_MNEMONIC_OUTSW:
	case ZYDIS_MNEMONIC_OUTSD:
		return bf_trap_string_io(in, true);
	default:
		return -EOPNOTSUPP;
	}
}

static int emulate_string(struct bf_trap_insn *in)
{
	switch (in->z.mnemonic) {
	case ZYDIS_MNEMONIC_MOVSB:
	case ZYDIS_MNEMONIC_MOVSW:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVSQ:
		return bf_trap_string_move(in,
					   (struct bf_trap_string){true, true});
	case ZYDIS_MNEMONIC_STOSB:
	case ZYDIS_MNEMONIC_STOSW:
	case ZYDIS_MNEMONIC_STOSD:
	case ZYDIS_MNEMONIC_STOSQ:
		return bf_trap_string_move(in, (struct bf_trap_string){false,
								       true});
	case ZYDIS_MNEMONIC_LODSB:
	case ZYDIS_MNEMONIC_LODSW:
	case ZYDIS_MNEMONIC_LODSD:
	case ZYDIS_MNEMONIC_LODSQ:
		return bf_trap_string_move(in, (struct bf_trap_string){true,
								       false});
	default:
		return -EOPNOTSUPP;
	}
}

static int emulate_move(struct bf_trap_insn *in)
{
	switch (in->z.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
	case ZYDIS_MNEMONIC_MOVNTI:
	case ZYDIS_MNEMONIC_MOVZX:
		return move(in, false);
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		return move(in, true);
	case ZYDIS_MNEMONIC_MOVD:
	case ZYDIS_MNEMONIC_MOVQ:
		return move_either(in);
	case ZYDIS_MNEMONIC_MOVSS:
	case ZYDIS_MNEMONIC_MOVSD:
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVAPS:
	case ZYDIS_MNEMONIC_MOVAPD:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_MOVDQA:
	case ZYDIS_MNEMONIC_LDDQU:
	case ZYDIS_MNEMONIC_MOVNTDQ:
	case ZYDIS_MNEMONIC_MOVNTPS:
	case ZYDIS_MNEMONIC_MOVNTPD:
		return move_vector(in);
	default:
		return -EOPNOTSUPP;
	}
}

static int emulate_alu(struct bf_trap_insn *in)
{
	switch (in->z.mnemonic) {
	case ZYDIS_MNEMONIC_ADD:
		return alu(in, BF_TRAP_ADD);
	case ZYDIS_MNEMONIC_ADC:
		return alu(in, BF_TRAP_ADC);
	case ZYDIS_MNEMONIC_SUB:
		return alu(in, BF_TRAP_SUB);
	case ZYDIS_MNEMONIC_SBB:
		return alu(in, BF_TRAP_SBB);
	case ZYDIS_MNEMONIC_AND:
		return alu(in, BF_TRAP_AND);
	case ZYDIS_MNEMONIC_OR:
		return alu(in, BF_TRAP_OR);
	case ZYDIS_MNEMONIC_XOR:
		return alu(in, BF_TRAP_XOR);
	case ZYDIS_MNEMONIC_CMP:
		return compare(in, BF_TRAP_SUB);
	case ZYDIS_MNEMONIC_TEST:
		return compare(in, BF_TRAP_AND);
	case ZYDIS_MNEMONIC_INC:
		return step(in, BF_TRAP_ADD);
	case ZYDIS_MNEMONIC_DEC:
		return step(in, BF_TRAP_SUB);
	case ZYDIS_MNEMONIC_NEG:
		return negate(in, true);
	case ZYDIS_MNEMONIC_NOT:
		return negate(in, false);
	case ZYDIS_MNEMONIC_XCHG:
		return exchange(in, false);
	case ZYDIS_MNEMONIC_XADD:
		return exchange(in, true);
	case ZYDIS_MNEMONIC_CMPXCHG:
		return compare_exchange(in);
	default:
		return -EOPNOTSUPP;
	}
}

static int emulate_access(struct bf_trap_insn *in)
{
	int ret;

	/* The mnemonic MOVSD names a string operation and an SSE move. */
	if (in->z.meta.category == ZYDIS_CATEGORY_STRINGOP)
		return emulate_string(in);
	ret = emulate_move(in);
	if (ret == -EOPNOTSUPP)
		ret = emulate_alu(in);
	return ret;
}

static int decode(struct bf_trap_insn *in)
{
	uint8_t code[ZYDIS_MAX_INSTRUCTION_LENGTH];
	ZydisDecoderContext context;
	ZydisDecoder decoder;
	size_t len;

	len = bf_trap_peek(in->vcpu->trap, (uint64_t)in->regs[REG_RIP], code,
			   sizeof(code));
	if (ZYAN_FAILED(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
					 ZYDIS_STACK_WIDTH_64)) ||
	    ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, &context, code,
						      len, &in->z)) ||
	    in->z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return -EOPNOTSUPP;
	if (ZYAN_FAILED(ZydisDecoderDecodeOperands(
		    &decoder, &context, &in->z, in->op,
		    in->z.operand_count_visible)))
		return -EOPNOTSUPP;
	return 0;
}

int bf_trap_emulate(struct bf_trap_vcpu *vcpu, ucontext_t *uc)
{
	struct bf_trap_insn in = {
		.vcpu = vcpu,
		.regs = uc->uc_mcontext.gregs,
		.fp = uc->uc_mcontext.fpregs,
	};
	int ret;

	ret = decode(&in);
	if (ret)
		return ret;
	switch (in.regs[REG_TRAPNO]) {
	case TRAPNO_PROTECTION:
		return emulate_protection(&in);
	case TRAPNO_PAGE_FAULT:
		return emulate_access(&in);
	default:
		return -EOPNOTSUPP;
	}
}
