/* SPDX-License-Identifier: MIT */
/*
 * The trap engine: a thread runs native x86-64 code, and what would leave a
 * virtual machine (an access to the MMIO window, a port instruction, HLT)
 * faults into a SIGSEGV handler, which decodes it and offers it as an exit.
 *
 * Exits have the layout of the kernel's struct kvm_run, so that whoever
 * handles them need not know which engine made them.
 *
 * It is a harness, not a sandbox: guest code runs with all rights of the
 * process.
 *
 * The process's handlers of SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGSTKFLT are
 * the engine's from the first bf_trap_vcpu_run() on; who had them before gets
 * what is none of the guest's.  A later run takes SIGSEGV and the others back
 * when it finds SIGSEGV replaced.  A fault is the guest's when the vCPU's
 * thread was in guest code, at an address of a slot or by jumping to where no
 * code is.
 */
#ifndef BF_ENGINE_TRAP_H
#define BF_ENGINE_TRAP_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"

struct bf_trap;
struct bf_trap_vcpu;

/*
 * Offers an exit (KVM_EXIT_MMIO or KVM_EXIT_IO) on the vCPU's own thread.
 * True: it is complete (a read's data is in place) and the guest goes on.
 * False: bf_trap_vcpu_run() returns it to its caller.  May sleep, may lock.
 */
typedef bool (*bf_trap_exit_fn)(void *opaque, struct kvm_run *run);

/*
 * Reserves the MMIO window [mmio_gpa, mmio_gpa + mmio_size), with a page on
 * either side that nobody may touch.
 * 0, or -EINVAL (not page aligned, empty, wraps), -ENOMEM.
 */
int bf_trap_create(struct bf_trap **trapp, uint64_t mmio_gpa,
		   uint64_t mmio_size);

/* All its vCPUs must be destroyed before. */
void bf_trap_destroy(struct bf_trap *trap);

/*
 * The guest's memory: address space 0 of a map that lives as long as trap.
 * What is a slot of it becomes readable, writable and executable, whatever its
 * flags.  Besides what the rules of the map say:
 *   -EEXIST  overlaps the window
 *   -EINVAL, -ENOMEM  what mprotect() says of the memory
 * It may be changed from any thread, from an exit handler too, while vCPUs run
 * or not.  The engine uses removed memory no more when the removal has
 * returned; guest code is not kept from it.  A vCPU that faults while it
 * executes removed memory is taken for a fault of the process.
 */
struct bf_memslots *bf_trap_memslots(struct bf_trap *trap);

/*
 * The address by which guest code must reach gpa: there is no paging, so it
 * is a host address.  0 where nothing is mapped.
 */
uint64_t bf_trap_guest_addr(struct bf_trap *trap, uint64_t gpa);

/* 0, -ENOMEM, -EAGAIN (no thread). */
int bf_trap_vcpu_create(struct bf_trap_vcpu **vcpup, struct bf_trap *trap,
			bf_trap_exit_fn exit_fn, void *opaque);

/*
 * Ends the vCPU's thread wherever the guest is; not while it runs: kick it and
 * let bf_trap_vcpu_run() return first.
 */
void bf_trap_vcpu_destroy(struct bf_trap_vcpu *vcpu);

/* Valid until the vCPU is destroyed; KVM_EXIT_IO data lies inside. */
struct kvm_run *bf_trap_vcpu_page(struct bf_trap_vcpu *vcpu);

/*
 * Where the next run begins.  0, -EINVAL (rip is not mapped), -EBUSY (the
 * vCPU is running).
 */
int bf_trap_vcpu_boot(struct bf_trap_vcpu *vcpu,
		      const struct bf_vcpu_boot64 *boot);

/*
 * Runs until an exit that exit_fn does not complete: 0 and page->exit_reason
 * KVM_EXIT_MMIO, KVM_EXIT_IO, KVM_EXIT_HLT, or KVM_EXIT_INTERNAL_ERROR with
 * suberror KVM_INTERNAL_ERROR_EMULATION for any other fault of the guest's, an
 * instruction at the window that is not understood among them; the bytes at
 * rip are in page->emulation_failure, and the guest stays where it is.
 *
 * The next call completes an MMIO or IO exit first: the data of a read is
 * taken from the page, as KVM_RUN does.  An access of more than 8 bytes, or
 * across pages, is as many exits.  May be called from any thread, by one at a
 * time: -EBUSY otherwise.  -EINVAL: never booted.  -EINTR:
 * bf_trap_vcpu_kick(), a signal whose handler does not restart system calls,
 * or page->immediate_exit was set (a pending exit is completed first);
 * exit_reason is KVM_EXIT_INTR.
 */
int bf_trap_vcpu_run(struct bf_trap_vcpu *vcpu);

/*
 * Makes the current bf_trap_vcpu_run() return, or else the next one.  From
 * any thread.
 */
void bf_trap_vcpu_kick(struct bf_trap_vcpu *vcpu);

#endif
