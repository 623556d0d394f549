/* SPDX-License-Identifier: MIT */
/* The results and flags of the ALU operations that the engine emulates. */
#include "testing/trap/internal.h"

#define FLAG_CF (1u << 0)
#define FLAG_PF (1u << 2)
#define FLAG_AF (1u << 4)
#define FLAG_ZF (1u << 6)
#define FLAG_SF (1u << 7)
#define FLAG_OF (1u << 11)
#define FLAGS	(FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

static uint64_t compute(enum bf_trap_alu op, uint64_t a, uint64_t b,
			uint64_t carry)
{
	switch (op) {
	case BF_TRAP_ADD:
		return a + b;
	case BF_TRAP_ADC:
		return a + b + carry;
	case BF_TRAP_SUB:
		return a - b;
	case BF_TRAP_SBB:
		return a - b - carry;
	case BF_TRAP_AND:
		return a & b;
	case BF_TRAP_OR:
		return a | b;
	case BF_TRAP_XOR:
		return a ^ b;
	}
	__builtin_unreachable();
}

/*
 * Returns the bits that carried or borrowed.  A subtraction borrows in the bits
 * in which the addition result + b = a carries.
 */
static uint64_t carries(enum bf_trap_alu op, uint64_t a, uint64_t b,
			uint64_t result)
{
	switch (op) {
	case BF_TRAP_ADD:
	case BF_TRAP_ADC:
		return (a & b) | ((a | b) & ~result);
	case BF_TRAP_SUB:
	case BF_TRAP_SBB:
		return (result & b) | ((result | b) & ~a);
	default:
		return 0;
	}
}

uint64_t bf_trap_alu(enum bf_trap_alu op, unsigned int bits, uint64_t a,
		     uint64_t b, uint64_t *eflags)
{
	uint64_t sign = 1ull << (bits - 1);
	uint64_t mask = sign | (sign - 1);
	uint64_t result = compute(op, a, b, *eflags & FLAG_CF) & mask;
	uint64_t carry = carries(op, a, b, result);
	uint64_t flags = *eflags & ~(uint64_t)FLAGS;

	if (carry & sign)
		flags |= FLAG_CF;
	if (!__builtin_parity(result & 0xff))
		flags |= FLAG_PF;
	if (carry & 8)
		flags |= FLAG_AF;
	if (!result)
		flags |= FLAG_ZF;
	if (result & sign)
		flags |= FLAG_SF;
	/* Overflow: the carry into the sign bit differs from its carry out. */
	if ((carry ^ (carry << 1)) & sign)
		flags |= FLAG_OF;
	*eflags = flags;
	return result;
}
