/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the files of the trap engine share.
 *
 * A vCPU is a thread.  The thread is always in one of three places:
 *
 *  - in guest code;
 *  - in the signal handler that interrupted guest code: it offers exits to
 *    exit_fn, returns them to the caller of bf_trap_vcpu_run(), and waits for
 *    the next run there;
 *  - in vcpu_thread() (trap.c), before the first and after the last guest
 *    instruction.
 *
 * The thread enters and leaves guest code only by a return from a signal
 * handler.  So registers and signal mask change in one step, and a kick cannot
 * arrive between the two.
 */
#ifndef BF_TRAP_INTERNAL_H
#define BF_TRAP_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "testing/trap/trap.h"

#define BF_TRAP_PAGE 4096u

/* The kernel's REG_TRAPNO. */
#define TRAPNO_PROTECTION 13
#define TRAPNO_PAGE_FAULT 14

/* The data area of KVM_EXIT_IO in the run page, as in KVM on x86. */
#define BF_TRAP_IO_OFFSET BF_TRAP_PAGE
#define BF_TRAP_IO_SIZE	  BF_TRAP_PAGE
#define BF_TRAP_RUN_SIZE  (BF_TRAP_IO_OFFSET + BF_TRAP_IO_SIZE)

/*
 * The signal of bf_trap_vcpu_kick().  The kernel never sends it, no common
 * library uses it, and unlike a real-time signal it does not queue.
 */
#define BF_TRAP_KICK SIGSTKFLT

struct bf_trap {
	uint64_t mmio_gpa;
	uint64_t mmio_size;
	char *window;
	struct bf_memslots *memslots;
};

/* The thread that may touch the vCPU: the caller of run, or the vCPU's. */
enum bf_trap_turn {
	BF_TRAP_CALLER,
	BF_TRAP_GUEST,
};

/* Size of the x87 and SSE registers, without the kernel's software bytes. */
#define BF_TRAP_FP_SIZE offsetof(struct _libc_fpstate, __glibc_reserved1)

/* The thread's registers at bf_trap_gate(), restored on the way out. */
struct bf_trap_host {
	gregset_t regs;
	unsigned char fp[BF_TRAP_FP_SIZE];
};

struct bf_trap_vcpu {
	struct bf_trap *trap;
	bf_trap_exit_fn exit_fn;
	void *opaque;
	struct kvm_run *run;
	char *stack; /* for the signal handlers */
	pthread_t thread;

	_Atomic uint32_t turn; /* enum bf_trap_turn; also a futex */
	atomic_bool busy;      /* a thread runs or boots it */
	atomic_bool kicked;

	/* Written in the turn BF_TRAP_CALLER, read in BF_TRAP_GUEST. */
	bool booted;
	bool reboot; /* drop the guest state and begin at boot */
	bool dying;
	struct bf_vcpu_boot64_desc boot; /* rip is a host address */

	/* Used by the vCPU's thread alone. */
	volatile bool in_guest;
	struct bf_trap_host host;
};

/* signal.c */

/*
 * Installs the engine's signal handlers unless they are installed.  Costs one
 * system call if they are.
 */
void bf_trap_signals_install(void);

/* Runs guest code on this thread until the vCPU is dying. */
void bf_trap_signals_enter(struct bf_trap_vcpu *vcpu);

/* trap.c */

/* Returns the exit in vcpu->run to the caller and waits for the next run. */
void bf_trap_return_to_caller(struct bf_trap_vcpu *vcpu);

/* Must the run end before more guest code?  Leaves vcpu->kicked set. */
bool bf_trap_interrupted(struct bf_trap_vcpu *vcpu);

/* memory.c */

/* Is [at, at + size) page aligned and not empty, and does it not wrap? */
bool bf_trap_is_area(uint64_t at, uint64_t size);

/* Creates an empty map, after the window.  Returns 0 or -ENOMEM. */
int bf_trap_memory_init(struct bf_trap *trap);
void bf_trap_memory_cleanup(struct bf_trap *trap);

/* Returns the host address of guest memory at gpa; 0 if it is none. */
uint64_t bf_trap_memory_addr(struct bf_trap *trap, uint64_t gpa);

/*
 * The functions below take host addresses.  They copy inside an SRCU section,
 * so the removal of a slot waits for the copy.
 */

/* Does one slot hold [addr, addr + len) now? */
bool bf_trap_is_memory(struct bf_trap *trap, uint64_t addr, size_t len);

/* Copies the first of len bytes that one slot holds; returns their number. */
size_t bf_trap_peek(struct bf_trap *trap, uint64_t addr, void *buf, size_t len);

/*
 * Copies len bytes to or from the guest.  Copies nothing and returns false if
 * no slot holds them all.
 */
bool bf_trap_copy(struct bf_trap *trap, uint64_t addr, void *buf, size_t len,
		  bool write);

/* insn.c */

/*
 * Emulates the instruction at which the guest stopped.  Offers each access to
 * exit_fn and returns unclaimed ones to the caller of bf_trap_vcpu_run().
 * Returns 0 with the registers updated, -ECANCELED if the vCPU was rebooted or
 * destroyed meanwhile, and another error if the engine does not emulate the
 * instruction.
 */
int bf_trap_emulate(struct bf_trap_vcpu *vcpu, ucontext_t *uc);

/* Completes the exit in vcpu->run.  Returns 0 or -ECANCELED. */
int bf_trap_offer(struct bf_trap_vcpu *vcpu);

/* alu.c */

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
 * Returns a OP b, zero-extended, for operands of 8 to 64 bits.  Sets the
 * arithmetic flags in *eflags.  ADC and SBB read the carry from *eflags.
 */
uint64_t bf_trap_alu(enum bf_trap_alu op, unsigned int bits, uint64_t a,
		     uint64_t b, uint64_t *eflags);

#endif
