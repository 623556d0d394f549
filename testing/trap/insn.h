/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the instruction emulation shares.
 *
 * An instruction (for a string operation, an element) changes registers only
 * after all its accesses are complete.  So an instruction that is cancelled
 * half-way can be executed again.  Functions that make accesses return 0,
 * -ECANCELED (the vCPU was rebooted or destroyed meanwhile), or -EOPNOTSUPP
 * (the engine does not emulate this).
 */
#ifndef BF_TRAP_INSN_H
#define BF_TRAP_INSN_H

#include <Zydis/Zydis.h>

#include "testing/trap/internal.h"

/* The instruction at which the guest stopped, and the guest's registers. */
struct bf_trap_insn {
	struct bf_trap_vcpu *vcpu;
	greg_t *regs;
	struct _libc_fpstate *fp;
	ZydisDecodedInstruction z;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT_VISIBLE];
};

static inline uint64_t bf_trap_mask_bits(unsigned int bits)
{
	return bits < 64 ? (1ull << bits) - 1 : UINT64_MAX;
}

static inline void bf_trap_finish(struct bf_trap_insn *in)
{
	in->regs[REG_RIP] += in->z.length;
}

/* Returns the full register of reg (RAX for AH), or NULL if it is no GPR. */
greg_t *bf_trap_gpr(struct bf_trap_insn *in, ZydisRegister reg);

/* Writes a part of a register; like the processor, 32 bits clear the rest. */
void bf_trap_gpr_set(greg_t *to, unsigned int shift, unsigned int bits,
		     uint64_t value);
uint64_t bf_trap_gpr_get(const greg_t *from, unsigned int shift,
			 unsigned int bits);

/* Does [addr, addr + len), in host addresses, lie in the MMIO window? */
bool bf_trap_in_window(const struct bf_trap *trap, uint64_t addr, uint64_t len);

/* Offers an access of len bytes at addr, which lie in the window. */
int bf_trap_mmio(struct bf_trap_vcpu *vcpu, uint64_t addr, char *data,
		 uint32_t len, bool write);

bool bf_trap_has_segment_base(const struct bf_trap_insn *in);

/* Accesses a memory operand.  Returns -EOPNOTSUPP outside the window. */
int bf_trap_memory_operand(struct bf_trap_insn *in,
			   const ZydisDecodedOperand *op, void *data,
			   uint32_t len, bool write);

/* Accesses an operand of 8 to 64 bits: immediate, register or memory. */
int bf_trap_operand_read(struct bf_trap_insn *in, const ZydisDecodedOperand *op,
			 uint64_t *value);
int bf_trap_operand_write(struct bf_trap_insn *in,
			  const ZydisDecodedOperand *op, uint64_t value);

/* The memory operands of a string operation; with one, the other is RAX. */
struct bf_trap_string {
	bool load;  /* from [RSI] */
	bool store; /* to [RDI] */
};

int bf_trap_string_move(struct bf_trap_insn *in, struct bf_trap_string form);
int bf_trap_string_io(struct bf_trap_insn *in, bool out);
int bf_trap_port_in(struct bf_trap_insn *in);
int bf_trap_port_out(struct bf_trap_insn *in);

#endif
