/* SPDX-License-Identifier: MIT */
/*
 * What the files of the trap engine share.
 *
 * A vCPU is a thread that is always in one of three places: in guest code; in
 * the signal handler that guest code fell into (which is where exits are
 * offered, handed over, and waited for); or in trap.c's thread function,
 * before the first and after the last guest instruction.  It enters and
 * leaves guest code only by returning from a signal handler, so registers and
 * signal mask change in one step and no kick can fall in between.
 */
#ifndef BF_ENGINE_TRAP_INTERNAL_H
#define BF_ENGINE_TRAP_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "engine/trap.h"

#define BF_TRAP_PAGE 4096u

/* Where and how large the data of KVM_EXIT_IO is, as in KVM on x86. */
#define BF_TRAP_IO_OFFSET BF_TRAP_PAGE
#define BF_TRAP_IO_SIZE	  BF_TRAP_PAGE

/*
 * The signal of bf_trap_vcpu_kick().  The kernel never sends it, nobody else
 * is known to use it, and unlike a real-time signal it does not queue.
 */
#define BF_TRAP_KICK SIGSTKFLT

struct bf_trap {
	uint64_t mmio_gpa;
	uint64_t mmio_size;
	char *window;
	struct bf_memslots *memslots;
};

/* Whose move it is: bf_trap_vcpu_run()'s caller or the vCPU's thread. */
enum bf_trap_turn {
	BF_TRAP_CALLER,
	BF_TRAP_GUEST,
};

/* x87 and SSE registers, without the kernel's own bytes behind them. */
#define BF_TRAP_FP_SIZE offsetof(struct _libc_fpstate, __glibc_reserved1)

/* The thread as it came to the gate; also what it leaves guest code with. */
struct bf_trap_host {
	gregset_t regs;
	unsigned char fp[BF_TRAP_FP_SIZE];
};

struct bf_trap_vcpu {
	struct bf_trap *trap;
	bf_trap_exit_fn exit_fn;
	void *opaque;
	struct kvm_run *run;
	char *stack; /* of the signal handlers */
	pthread_t thread;

	_Atomic uint32_t turn; /* enum bf_trap_turn; a futex */
	atomic_bool busy;      /* somebody runs, boots or destroys it */
	atomic_bool kicked;

	/* Written by the caller in its turn, read by the thread in its own. */
	bool booted;
	bool reboot; /* begin at boot, whatever the guest was doing */
	bool dying;
	struct bf_vcpu_boot64 boot; /* rip is a host address already */

	/* The thread's alone. */
	volatile bool in_guest;
	struct bf_trap_host host;
};

/* Signal side: trap_signal.c. */

/* Makes sure that the process's handlers are ours; one system call if so. */
void bf_trap_signals_install(void);

/* Runs guest code on this thread until the vCPU is dying. */
void bf_trap_signals_enter(struct bf_trap_vcpu *vcpu);

/* Turns: trap.c. */

/* Gives the exit in vcpu->run to the caller, and waits for its next run. */
void bf_trap_park(struct bf_trap_vcpu *vcpu);

/* Is the run to end where guest code could go on?  Does not consume a kick. */
bool bf_trap_interrupted(struct bf_trap_vcpu *vcpu);

/* Guest memory: trap_memory.c. */

/* Is [at, at + size) page aligned, not empty, and free of wrapping? */
bool bf_trap_is_area(uint64_t at, uint64_t size);

/* The map, empty; the window is there.  0, -ENOMEM. */
int bf_trap_memory_init(struct bf_trap *trap);
void bf_trap_memory_cleanup(struct bf_trap *trap);

/* The host address of guest memory at gpa, or 0; the window is none. */
uint64_t bf_trap_memory_addr(struct bf_trap *trap, uint64_t gpa);

/*
 * What follows takes addresses of the process.  While memory is copied it
 * does not cease to be the guest's: who removes its slot waits.
 */

/* Does one slot hold [addr, addr + len), at this moment? */
bool bf_trap_is_memory(struct bf_trap *trap, uint64_t addr, size_t len);

/* Copies as much of len bytes as one slot holds; returns how much. */
size_t bf_trap_peek(struct bf_trap *trap, uint64_t addr, void *buf, size_t len);

/* Copies all of it, to the guest or from it; false: not all is memory. */
bool bf_trap_copy(struct bf_trap *trap, uint64_t addr, void *buf, size_t len,
		  bool write);

/* Instructions: trap_insn.c. */

/*
 * Emulates the instruction at which the guest stopped: offers its accesses,
 * hands over what nobody claims.  0: registers are up to date.  -ECANCELED:
 * the vCPU was rebooted or destroyed meanwhile.  Anything else: not
 * understood.
 */
int bf_trap_emulate(struct bf_trap_vcpu *vcpu, ucontext_t *uc);

/* One exit that is set up in vcpu->run: 0 when complete, or -ECANCELED. */
int bf_trap_offer(struct bf_trap_vcpu *vcpu);

/* ALU operations: trap_alu.c. */

enum bf_trap_alu {
	BF_TRAP_ADD,
	BF_TRAP_ADC,
	BF_TRAP_SUB,
	BF_TRAP_SBB,
	BF_TRAP_AND,
	BF_TRAP_OR,
	BF_TRAP_XOR,
};

/*
 * The result of a OP b on operands of bits bits (8 to 64), zero-extended.
 * Sets the arithmetic flags in *eflags; adc and sbb read the carry there.
 */
uint64_t bf_trap_alu(enum bf_trap_alu op, unsigned int bits, uint64_t a,
		     uint64_t b, uint64_t *eflags);

#endif
