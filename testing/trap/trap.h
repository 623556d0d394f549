/* SPDX-License-Identifier: MIT */
/*
 * The trap engine runs guest code without KVM.  A thread executes native
 * x86-64 code.  Code that would leave a virtual machine (an access to the MMIO
 * window, a port instruction, HLT) faults.  The SIGSEGV handler decodes the
 * instruction and offers it as an exit.
 *
 * An exit has the layout of the kernel's struct kvm_run, so exit handlers work
 * with this engine and with KVM.
 *
 * The engine is a test harness and no sandbox: guest code has all rights of
 * the process.
 *
 * The first bf_trap_vcpu_run() installs the engine's handlers of SIGSEGV,
 * SIGBUS, SIGILL, SIGFPE and SIGSTKFLT for the process.  A signal that is not
 * the guest's goes on to the handler that was installed before.  A later run
 * installs the handlers again if it finds that of SIGSEGV replaced.  A fault
 * is the guest's if the vCPU's thread was in guest code, and either the
 * instruction lies in a slot or the guest jumped to memory that holds no code.
 */
#ifndef BF_TRAP_H
#define BF_TRAP_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"

struct bf_trap;
struct bf_trap_vcpu;

/* For bf_vm_config.engine; its engine_config is a struct bf_trap_config. */
extern const struct bf_engine_ops bf_trap_engine;

/* The MMIO window: guest accesses to these addresses become exits. */
struct bf_trap_config {
	uint64_t mmio_gpa;  /* page aligned */
	uint64_t mmio_size; /* bytes, page aligned */
};

/*
 * Handles an exit (KVM_EXIT_MMIO or KVM_EXIT_IO) on the vCPU's own thread.
 * Returns true if the exit is complete (the data of a read is in place) and the
 * guest continues.  On false bf_trap_vcpu_run() returns the exit to its caller.
 * May sleep and take locks.
 */
typedef bool (*bf_trap_exit_fn)(void *opaque, struct kvm_run *run);

/*
 * Reserves the MMIO window and an inaccessible page on either side of it.
 * Returns 0, -EINVAL (not page aligned, empty, wraps) or -ENOMEM.
 */
int bf_trap_create(const struct bf_trap_config *config, struct bf_trap **trapp);

/* The caller has destroyed all its vCPUs. */
void bf_trap_destroy(struct bf_trap *trap);

/*
 * Returns the map of guest memory, which lives as long as trap.  The guest sees
 * address space 0.  The memory of a slot becomes readable, writable and
 * executable, whatever the slot's flags.  Adding a slot fails as
 * bf_memslots_set() does, and with
 *   -EEXIST           the slot overlaps the window
 *   -EINVAL, -ENOMEM  mprotect() of the memory failed
 * Any thread may change the map while vCPUs run, an exit handler included.
 * After a removal the engine no longer accesses the memory, but guest code
 * still can.  A fault of guest code that executes removed memory counts as
 * a fault of the process.
 */
struct bf_memslots *bf_trap_memslots(struct bf_trap *trap);

/*
 * Returns the address that guest code must use for gpa, or 0 if nothing is
 * mapped there.  The engine has no paging, so this is a host address.
 */
uint64_t bf_trap_guest_addr(struct bf_trap *trap, uint64_t gpa);

/* Returns 0, -ENOMEM or -EAGAIN (no thread). */
int bf_trap_vcpu_create(struct bf_trap *trap, bf_trap_exit_fn exit_fn,
			void *opaque, struct bf_trap_vcpu **vcpup);

/*
 * Ends the vCPU's thread.  Must not be called during bf_trap_vcpu_run(): kick
 * the vCPU and let the run return first.
 */
void bf_trap_vcpu_destroy(struct bf_trap_vcpu *vcpu);

/* Valid until the vCPU is destroyed.  Contains the data of KVM_EXIT_IO. */
struct kvm_run *bf_trap_vcpu_page(struct bf_trap_vcpu *vcpu);

/*
 * Sets the registers with which the next run begins.  Returns 0, -EINVAL (rip
 * is not mapped) or -EBUSY (the vCPU runs).
 */
int bf_trap_vcpu_boot(struct bf_trap_vcpu *vcpu,
		      const struct bf_vcpu_boot64_desc *desc);

/*
 * Runs the guest until an exit that exit_fn does not complete.  Returns 0 with
 * page->exit_reason KVM_EXIT_MMIO, KVM_EXIT_IO, KVM_EXIT_HLT or
 * KVM_EXIT_INTERNAL_ERROR.  The last has suberror
 * KVM_INTERNAL_ERROR_EMULATION and stands for any other fault of the guest,
 * such as an instruction at the window that the engine does not emulate.
 * page->emulation_failure then has the bytes at rip, and the guest stays there.
 *
 * The next call first completes an MMIO or IO exit: it takes the data of a read
 * from the page, as KVM_RUN does.  An access of more than 8 bytes, or across a
 * page boundary, becomes several exits.
 *
 * Any thread may call this.  Returns -EBUSY if another thread runs the vCPU,
 * -EINVAL if the vCPU was never booted, and -EINTR with exit_reason
 * KVM_EXIT_INTR.  The last follows bf_trap_vcpu_kick(), a signal handler
 * without SA_RESTART, or a set page->immediate_exit (a pending exit is
 * completed first).
 */
int bf_trap_vcpu_run(struct bf_trap_vcpu *vcpu);

/*
 * Makes the current bf_trap_vcpu_run() return, or the next one if there is no
 * current one.  Any thread may call it.
 */
void bf_trap_vcpu_kick(struct bf_trap_vcpu *vcpu);

#endif
