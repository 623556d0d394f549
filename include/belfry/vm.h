/* SPDX-License-Identifier: MIT */
/**
 * belfry/vm.h - one virtual machine: its bus, its memory slots, its vCPUs and,
 * where there is one, its KVM file descriptor.
 *
 * Each of the first three is what the header of its layer describes
 * (belfry/io_bus.h, belfry/memslots.h, belfry/vcpus.h), and is had by
 * bf_vm_bus(), bf_vm_memslots() and bf_vm_vcpus(); what is here is what joins
 * them to who runs the guest.
 *
 * The calls take the kernel's own structures (<linux/kvm.h>) and answer with
 * its errno, negative.  What they do not take over is who waits: a doorbell
 * (KVM_IOEVENTFD) is answered from the VM's own bus at once and given to the
 * kernel when the policy says so, because each registration with the kernel
 * leaves a grace period behind that the next memory slot change, doorbell
 * removal or close sleeps out (kernels since 6.18), or waits for one itself
 * (before).
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: every function may be called from any thread at any time,
 * unless it says otherwise.  A vCPU is run by one thread at a time.
 * Contexts: nothing here is async-signal-safe.
 * fork: a VM, like its KVM fd, belongs to the process that made it.
 */
#ifndef BELFRY_VM_H
#define BELFRY_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#include <belfry/io_bus.h>
#include <belfry/memslots.h>
#include <belfry/vcpus.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct bf_vm;
struct bf_vcpu;

/** Who runs guest code. */
enum bf_engine {
	BF_ENGINE_KVM,	/* KVM_RUN on /dev/kvm */
	BF_ENGINE_TRAP, /* native x86-64 code whose accesses fault; a harness,
			   not a sandbox: the guest has all rights of the
			   process */
};

/**
 * When a doorbell of bf_vm_ioeventfd(), or a zone of bf_vm_coalesced_zone(),
 * reaches the kernel.  Until then a doorbell's writes come out as exits, are
 * signalled by bf_vcpu_run(), and the guest goes on.
 */
enum bf_policy {
	BF_POLICY_LAZY,	     /* once it rang so often that it is worth it, in a
				moment when nothing changes the VM; by a thread
				of the VM's, which begins when first needed */
	BF_POLICY_FIRST_RUN, /* in one batch, at the first bf_vcpu_run(); later
				ones at the next bf_vcpu_run() of any vCPU */
	BF_POLICY_NEVER,     /* not at all, but for doorbells that a zone of
				the kernel's covers: it would take their
				writes */
	BF_POLICY_EAGER,     /* at once, and nothing is kept here: for
				comparison, and for whoever counts on
				EPOLLHUP of an eventfd that he closes */
};

/** What bf_vm_create() makes.  All zero is a good default. */
struct bf_vm_config {
	enum bf_engine engine;
	enum bf_policy policy;
	const char *kvm_path; /* NULL: "/dev/kvm" */
	uint64_t mmio_gpa;    /* BF_ENGINE_TRAP: the window of addresses that */
	uint64_t mmio_size;   /* exit.  0, 0: [0xd0000000, 0xd1000000) */
	uint32_t rings;	      /* BF_POLICY_LAZY: a doorbell rings so often, or
				 up to 64 times more for each vCPU, before it
				 is given to the kernel.  0: as many as cost
				 what that costs, measured once per boot */
	uint32_t quiet_ms;    /* BF_POLICY_LAZY: milliseconds without a memory
				 slot change, removal or zone call that must
				 pass first.  0: 10 */
	bool zones_at_once;   /* zones go to the kernel at once under every
				 policy: for a program that looks into the
				 ring for writes which it just made */
	int kick_signal;      /* BF_ENGINE_KVM: what a kick of a running vCPU
				 (bf_vcpus_kick_all()) sends to its thread: a
				 signal for which the program has a handler,
				 installed without SA_RESTART.  0: none */
	/*
	 * As in struct bf_memslots_config: no vCPU of BF_ENGINE_KVM may run
	 * between the two.  NULL: a change that needs that is refused.
	 */
	void (*pause)(void *opaque);
	void (*resume)(void *opaque);
	void *opaque;
};

/**
 * bf_vm_create - make a virtual machine
 * @vmp: where the VM goes; untouched on error
 * @config: what to make; NULL means all zero
 *
 * Returns 0 or
 *   -ENOENT, -EACCES, ... what open() says of the KVM device
 *   -ENOTTY   the device is not KVM, or not of API version 12
 *   -EINVAL   unknown engine or policy, a bad window, no number of a signal,
 *             or one of pause and resume without the other
 *   -ENOTSUP  this build has no such engine
 *   -ENOMEM   out of memory, or the kernel's answer to KVM_CREATE_VM
 * May block as KVM_CREATE_VM does (some milliseconds the first time).
 */
int bf_vm_create(struct bf_vm **vmp, const struct bf_vm_config *config);

/**
 * bf_vm_destroy - end a virtual machine
 * @vm: none of its vCPUs runs, no other call on it, its bus, its map or its
 *      table is under way, nobody holds a snapshot or is in a section of them;
 *      NULL does nothing
 *
 * Destroys the vCPUs that are left, and closes the KVM fd, which waits for
 * whatever grace periods the kernel owes; doorbells that never reached the
 * kernel owe none, and those that were about to do not any more.  Ends the VM's
 * thread, if there is one.  VMs of a process that end at the same moment take
 * turns, for some milliseconds at most: the kernel is faster that way.  Frees
 * the map, not the memory, and the bus: handlers that are still registered are
 * not called again.  Sleeps until the callbacks of removals have returned; not
 * from one.
 */
void bf_vm_destroy(struct bf_vm *vm);

/**
 * bf_vm_fd - the VM's KVM file descriptor
 *
 * Returns the fd, which stays the VM's, or -1 on the trap engine.  For ioctls
 * that this header has no call for; doorbells, coalesced zones, memory slots and
 * vCPUs must come through here, or the VM does not know of them.  Never blocks.
 */
int bf_vm_fd(const struct bf_vm *vm);

/**
 * bf_vm_bus - the bus that the VM's accesses go to
 *
 * Returns the bus, which lives as long as the VM: register devices on it with
 * belfry/io_bus.h.  May wait for a doorbell that another thread registers at
 * that moment, never for more.
 */
struct bf_io_bus *bf_vm_bus(struct bf_vm *vm);

/**
 * bf_vm_memslots - where the guest's memory is
 *
 * Returns the map, which lives as long as the VM: belfry/memslots.h changes it,
 * with the rules and errno of KVM_SET_USER_MEMORY_REGION, and devices look up
 * and copy guest memory in it.  The guest has the same slots.  Never blocks.
 *
 * On KVM the map has the kernel's address spaces and slot numbers, and forwards
 * each change; it waits for the kernel's grace period, expedited, which on a VM
 * whose doorbells are still pending nothing slows.
 *
 * On the trap engine there is address space 0 alone, and flags change nothing
 * for the guest; the memory becomes executable for the process.  Further errno
 * there:
 *   -EEXIST  overlaps the window of addresses that exit
 *   -EINVAL, -ENOMEM  what mprotect() says of the memory
 * A change may be made from a handler of an exit.  The engine does not use
 * removed memory any more when the removal has returned; guest code is not kept
 * from it, and a fault of code in removed memory is the process's own.
 */
struct bf_memslots *bf_vm_memslots(struct bf_vm *vm);

/**
 * bf_vm_vcpus - the table of the VM's vCPUs
 *
 * Returns the table, which lives as long as the VM: belfry/vcpus.h finds
 * vCPUs in it, counts, visits, kicks and locks them.  They enter it by
 * bf_vcpu_create() and leave it by bf_vcpu_destroy() or
 * bf_vcpus_remove_async(), never otherwise; bf_vcpu_of() and bf_vcpu_entry()
 * lead from one to the other.  Never blocks.
 *
 * bf_vcpus_kick_all() sets immediate_exit in each vCPU's page and makes its
 * run return -EINTR: on KVM by the configured kick_signal, without one when
 * the guest next leaves by itself.
 */
struct bf_vcpus *bf_vm_vcpus(struct bf_vm *vm);

/**
 * bf_vm_guest_addr - the address by which guest code reaches a gpa
 *
 * On KVM, with the paging that bf_vcpu_boot64() sets up, that is @gpa itself;
 * on the trap engine it is a host address.  Returns 0 where nothing is.
 * Never blocks for long.
 */
uint64_t bf_vm_guest_addr(struct bf_vm *vm, uint64_t gpa);

/**
 * bf_vm_ioeventfd - KVM_IOEVENTFD: assign or deassign a doorbell
 * @vm: the VM
 * @arg: as for the ioctl
 *
 * Answers as the kernel would (Documentation/virt/kvm/api.rst, 4.59):
 *   -EINVAL  length not 0, 1, 2, 4 or 8; the range wraps; unknown flags; a
 *            datamatch with length 0; @arg->fd is no eventfd
 *   -EBADF   @arg->fd is not open
 *   -EEXIST  assign: collides with another doorbell of the VM
 *   -ENOENT  deassign: no such doorbell
 *   -ENOMEM  out of memory
 *   -ENOSPC  the kernel takes no more (behind 1,000 coalesced zones):
 *            BF_POLICY_EAGER, or a zone of the kernel's covers the doorbell;
 *            otherwise such a doorbell rings in user space
 * Never waits for a grace period, unless it removes a doorbell that the kernel
 * already has, a zone of the kernel's covers it, or the policy is
 * BF_POLICY_EAGER.  When a deassign returned, the doorbell signals no more.
 *
 * The VM keeps a duplicate of the eventfd until the deassign, so the caller
 * may close its own.  A consequence: that close raises no EPOLLHUP, and an
 * epoll set goes on to report it.  Not so with BF_POLICY_EAGER, under which the
 * kernel alone has the doorbell.
 */
int bf_vm_ioeventfd(struct bf_vm *vm, const struct kvm_ioeventfd *arg);

/**
 * bf_vm_coalesced_zone - KVM_(UN)REGISTER_COALESCED_MMIO
 * @vm: the VM
 * @request: one of the two ioctl numbers
 * @zone: as for the ioctl
 *
 * The kernel gets it as the policy says, after the doorbells inside it: one
 * that the kernel does not know would lose its writes to the ring.  Until then
 * a write inside the zone is a plain exit, which every user of zones must
 * handle anyway: the kernel makes one when the ring is full.  Under
 * BF_POLICY_LAZY it is such exits that are counted.
 *
 * Order: who empties the ring before he handles an exit, as the kernel's
 * interface asks, sees the writes of each vCPU in their order.
 *
 * Returns 0; -EINVAL for another request, or @zone->pio above 1; -ENOMEM;
 * -ENOSPC where the kernel is full; -ENOTSUP on the trap engine.  May wait for
 * a grace period of the kernel's where it removes a zone that the kernel has.
 */
int bf_vm_coalesced_zone(struct bf_vm *vm, unsigned long request,
			 const struct kvm_coalesced_mmio_zone *zone);

/** Counters of a VM; see bf_vm_stats(). */
struct bf_vm_stats {
	uint64_t assigned;    /* doorbells assigned */
	uint64_t deassigned;  /* doorbells deassigned */
	uint64_t never_known; /* ... of which the kernel never heard */
	uint64_t installed;   /* doorbells given to the kernel */
	uint64_t refused;     /* doorbells that the kernel refused: they ring
				 in user space instead */
	uint64_t rung;	      /* rings delivered in user space */
	uint64_t zones;	      /* coalesced zones registered */
	uint64_t zones_installed; /* ... of which the kernel was told */
};

/**
 * bf_vm_stats - read the VM's counters
 *
 * Each counter is exact; together they are no snapshot.  Never blocks for
 * long.
 */
void bf_vm_stats(struct bf_vm *vm, struct bf_vm_stats *stats);

/**
 * bf_vcpu_create - KVM_CREATE_VCPU
 * @vm: the VM
 * @id: the vCPU's id, as for the ioctl
 * @vcpup: where the vCPU goes; untouched on error
 *
 * The vCPU is in the VM's table when this returns, online under @id, and under
 * the next index; until then it is counted there as created, and no lookup
 * finds it.
 *
 * Returns 0 or the kernel's errno, negative: -EINVAL (id too large, too
 * many), -EEXIST (id in use), -ENOMEM, -EMFILE, ...; on the trap engine
 * -EINVAL (id above 2^32 - 1), -EEXIST, -ENOMEM, -EAGAIN (no thread).  On error
 * the table is as it was.
 *
 * An id whose vCPU was destroyed may be created again.  KVM cannot forget a
 * vCPU, so there it is the same one that comes back, with the registers that it
 * had: the caller sets them.
 *
 * Blocks as KVM_CREATE_VCPU does, and while all vCPUs are locked
 * (bf_vcpus_lock_all()), so not by the thread that locked them or one; may be
 * called in a section of the table's domain, while guests run.
 */
int bf_vcpu_create(struct bf_vm *vm, unsigned long id, struct bf_vcpu **vcpup);

/**
 * bf_vcpu_destroy - remove a vCPU from its VM
 * @vcpu: not running; NULL does nothing
 *
 * The VM's table finds it no more; when nobody uses what was found before (an
 * expedited grace period of the table's domain) it is freed, and its id may be
 * used again.  KVM's own vCPU, and with it the fd, is kept until then or until
 * the VM is gone, and counts as one of as many as KVM has.  Needs no memory.
 *
 * Sleeps for that grace period: not inside a section of the table's domain, nor
 * with a vCPU locked.  bf_vcpus_remove_async(bf_vcpu_entry(vcpu)) does not wait
 * and may be called there.
 */
void bf_vcpu_destroy(struct bf_vcpu *vcpu);

/**
 * bf_vcpu_of - the vCPU of an entry of a VM's table
 * bf_vcpu_entry - a vCPU's entry in its VM's table
 * @entry: of bf_vm_vcpus(), found or the caller's
 * @vcpu: the vCPU
 *
 * Return the other one, valid as long.  bf_vcpus_id() and bf_vcpus_index() of
 * the entry are the vCPU's.  Never block.
 */
struct bf_vcpu *bf_vcpu_of(struct bf_vcpus_entry *entry);
struct bf_vcpus_entry *bf_vcpu_entry(struct bf_vcpu *vcpu);

/** bf_vcpu_fd - the vCPU's KVM file descriptor, or -1 on the trap engine. */
int bf_vcpu_fd(const struct bf_vcpu *vcpu);

/**
 * bf_vcpu_page - the vCPU's struct kvm_run
 *
 * Where bf_vcpu_run() leaves the exit that nobody claimed.  Both engines fill
 * it as the kernel does.  Valid until bf_vcpu_destroy().
 */
struct kvm_run *bf_vcpu_page(struct bf_vcpu *vcpu);

/** How a guest program begins; see bf_vcpu_boot64(). */
struct bf_vcpu_boot64 {
	uint64_t rip;	       /* gpa of the first instruction */
	uint64_t rsp;	       /* guest address of the stack's top, or 0 */
	uint64_t args[6];      /* rdi, rsi, rdx, rcx, r8, r9 */
	uint64_t page_tables;  /* KVM: gpa of 24 KiB of the guest's memory, page
				  aligned, for an identity map of 4 GiB */
	void *page_tables_hva; /* ... and where the process sees them */
};

/**
 * bf_vcpu_boot64 - put a vCPU at the start of a 64-bit program
 * @vcpu: not running
 * @boot: where and with what; the page table fields are for KVM only
 *
 * Flat segments, interrupts off, memory below 4 GiB mapped one to one, the
 * arguments in the registers of the System V call convention.  The program
 * ends with HLT.
 * Returns 0; -EINVAL (page tables not aligned or absent, rip not mapped);
 * -EBUSY (trap engine: running); the kernel's errno; -ENOTSUP off x86-64.
 */
int bf_vcpu_boot64(struct bf_vcpu *vcpu, const struct bf_vcpu_boot64 *boot);

/**
 * bf_vcpu_run - run guest code until something is left for the caller
 * @vcpu: the vCPU; one thread at a time
 *
 * Loops over KVM_RUN.  Each KVM_EXIT_MMIO and KVM_EXIT_IO goes to the VM's
 * bus: string and repeated port operations element by element, where, as in
 * the kernel, the first element decides: if nobody claims it the caller gets
 * the whole string; later elements that nobody claims are dropped (writes) or
 * read as zero.  What nobody claims, and every other exit, is the caller's:
 * it finds it in bf_vcpu_page(), and the next call completes it, as with
 * KVM_RUN.
 *
 * Returns 0: an exit is in bf_vcpu_page().
 *   -EINTR  a signal or immediate_exit; nothing is lost, clear that and call
 *           again.  A handler that is to stop the vCPU sets immediate_exit in
 *           bf_vcpu_page(): a signal that comes between two entries is not
 *           seen otherwise
 *   -EINVAL trap engine: never booted
 *   -EBUSY  trap engine: another thread runs it
 *   or what KVM_RUN answers, negative.
 * Blocks as long as the guest runs.  Must not be called from a handler of
 * this vCPU's own exit.
 */
int bf_vcpu_run(struct bf_vcpu *vcpu);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_VM_H */
