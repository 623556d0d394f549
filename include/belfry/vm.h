/* SPDX-License-Identifier: MIT */
/**
 * belfry/vm.h - one virtual machine: its bus, its memory slots, its vCPUs and
 * its KVM file descriptor.
 *
 * The VM connects three layers and KVM.  bf_vm_bus(), bf_vm_memslots() and
 * bf_vm_vcpus() return the bus, the memory map and the vCPU table; their own
 * headers (belfry/io_bus.h, belfry/memslots.h, belfry/vcpus.h) describe them.
 *
 * The calls take the kernel's structures (<linux/kvm.h>) and return its errno,
 * negative.  They differ from the kernel's calls in one point: a doorbell
 * (KVM_IOEVENTFD) does not wait for a grace period.  The VM accepts the
 * doorbell on its own bus at once, and installs it in the kernel when its
 * policy says so (belfry/front.h).  A registration in the kernel leaves a grace
 * period pending: since Linux 6.18 the next memory slot change, doorbell
 * removal or close of the VM sleeps until it has ended; before, the
 * registration itself waits.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: any thread may call any function at any time, unless the
 * function says otherwise.  One thread at a time runs a vCPU.
 * Contexts: no function here is async-signal-safe.
 * fork(): a child may not use the VMs of its parent; a KVM fd works only in the
 * process that opened it.
 */
#ifndef BELFRY_VM_H
#define BELFRY_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#include <belfry/front.h>
#include <belfry/io_bus.h>
#include <belfry/memslots.h>
#include <belfry/vcpus.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct bf_vm;
struct bf_vcpu;

/**
 * The operations of an engine, which creates vCPUs and runs guest code.  KVM is
 * the engine of the library.  src/vm/engine.h in the source declares the
 * operations for another one, which tests use where there is no KVM.
 */
struct bf_engine_ops;

/** The description of a VM.  All zero is a good default. */
struct bf_vm_config {
	/** The engine; NULL: KVM. */
	const struct bf_engine_ops *engine;
	/** The configuration of another engine; NULL: its defaults. */
	const void *engine_config;
	/**
	 * Of the front, with install_after, quiet_ms and zones_at_once; see
	 * struct bf_front_config.
	 */
	enum bf_policy policy;
	/** The KVM device; NULL: "/dev/kvm". */
	const char *kvm_path;
	uint32_t install_after;
	uint32_t quiet_ms;
	bool zones_at_once;
	/**
	 * KVM: the signal that a kick of a running vCPU (bf_vcpus_kick_all())
	 * sends to the vCPU's thread.  The program has a handler for it,
	 * installed without SA_RESTART.  0: a kick sends no signal.
	 */
	int kick_signal;
	/**
	 * KVM: called around a change of memory slots for which no vCPU may be
	 * in the guest; see struct bf_memslots_config.  NULL: the map refuses
	 * such a change.
	 */
	void (*pause)(void *opaque);
	void (*resume)(void *opaque);
	void *opaque; /* the argument of both */
	/**
	 * KVM: the argument of KVM_CREATE_VM, the type of the VM: Arm's size of
	 * guest addresses, or the kind of a confidential guest.  0: the
	 * machine's default.
	 */
	uint64_t vm_type;
	uint64_t reserved[4]; /* must be 0 */
};

/**
 * bf_vm_create - create a virtual machine
 * @config: the description; NULL: all zero
 * @vmp: the new VM; unchanged on error
 *
 * Return: 0;
 *   -ENOENT, -EACCES  or another errno of open(2) on the KVM device
 *   -ENOTTY   the device is not KVM, or has another API version than 12
 *   -EINVAL   the policy or @config->kick_signal does not exist; only one of
 *             pause and resume is set; a reserved word is not 0; the machine
 *             does not have the type
 *   -ENOMEM   out of memory
 *   ...       another errno of KVM_CREATE_VM
 * May block as KVM_CREATE_VM does, which takes some milliseconds for the first
 * VM of a machine.
 */
int bf_vm_create(const struct bf_vm_config *config, struct bf_vm **vmp);

/**
 * bf_vm_destroy - destroy a virtual machine
 * @vm: the VM; NULL does nothing.  No vCPU of it runs; no thread is in a call
 *      on the VM, its bus, its map or its table, in a section of one of them,
 *      or has a snapshot of the map
 *
 * Destroys the remaining vCPUs, ends the helper thread of the policy, and
 * closes the KVM fd.  The close waits for the grace periods that are pending in
 * the kernel; a doorbell that the kernel never had leaves none.  VMs of one
 * process that close at the same moment close one after another, which is
 * faster in the kernel; such a wait is limited to 8 ms.
 *
 * Frees the map but not the guest memory, and the bus: it does not call the
 * handlers that are still registered.  Sleeps until the callbacks of all
 * removals have returned, so a callback must not call it.
 */
void bf_vm_destroy(struct bf_vm *vm);

/**
 * bf_vm_ioctl - make an ioctl on a VM that has no function here
 * @vm: the VM
 * @request: the request, KVM_CREATE_IRQCHIP for example
 * @arg: its argument, a pointer or a number, as for ioctl(2)
 *
 * As bf_front_ioctl().
 *
 * Return: the result of the ioctl;
 *   -EPERM    KVM_CREATE_VCPU and KVM_SET_USER_MEMORY_REGION, which
 *             bf_vcpu_create() and belfry/memslots.h make
 *   -ENOTSUP  the engine is not KVM
 *   ...       the errno of the ioctl
 */
int bf_vm_ioctl(struct bf_vm *vm, unsigned long request, void *arg);

/**
 * bf_vm_fd - the KVM file descriptor of a VM
 *
 * Return: the fd, which belongs to the VM, or -1 if the engine is not KVM.
 *
 * A caller that has the fd may create vCPUs on it and run them by its own
 * KVM_RUN.  The VM sees neither, so as long as it has no vCPU of
 * bf_vcpu_create(), the kernel gets every doorbell and zone at once, as under
 * BF_POLICY_EAGER: such vCPUs are served, but registrations leave their grace
 * periods behind.  With the first bf_vcpu_create() the policy is in force
 * again.  A caller that needs the fd for an ioctl calls bf_vm_ioctl() instead.
 * A caller with its own loop takes bf_vcpu_front(), or belfry/front.h alone.
 *
 * Blocks as an install does if doorbells are pending, otherwise not.
 */
int bf_vm_fd(struct bf_vm *vm);

/**
 * bf_vm_bus - the bus that receives the accesses of a VM's guest
 *
 * Return: the bus, which lives as long as the VM.  belfry/io_bus.h registers
 * devices on it.  Never blocks.
 */
struct bf_io_bus *bf_vm_bus(struct bf_vm *vm);

/**
 * bf_vm_memslots - the memory map of a VM
 *
 * Return: the map, which lives as long as the VM.  belfry/memslots.h changes
 * the map with the rules and errno of KVM_SET_USER_MEMORY_REGION, and devices
 * look up and copy guest memory with it.  The guest has the slots of the map.
 *
 * With KVM, the map has the kernel's address spaces and slot numbers, and
 * forwards each change to the kernel.  It waits for the kernel's grace period,
 * which is expedited unless an install has left a normal one pending.  Never
 * blocks.
 */
struct bf_memslots *bf_vm_memslots(struct bf_vm *vm);

/**
 * bf_vm_vcpus - the vCPU table of a VM
 *
 * Return: the table, which lives as long as the VM.  belfry/vcpus.h looks up,
 * counts, visits, kicks and locks vCPUs in it.  Only bf_vcpu_create() adds a
 * vCPU to it, and only bf_vcpu_destroy() and bf_vcpu_entry_remove_async()
 * remove one.  Never blocks.
 *
 * bf_vcpus_kick_all() sets immediate_exit in the page of each vCPU and makes
 * its bf_vcpu_run() return -EINTR.  With KVM that needs a kick_signal: without
 * one, bf_vcpu_run() returns when the guest next exits.
 */
struct bf_vcpus *bf_vm_vcpus(struct bf_vm *vm);

/**
 * bf_vm_front - the front of a VM
 *
 * Return: the front, which lives as long as the VM.  Its calls register
 * doorbells and zones, and read counters: bf_front_ioeventfd(), bf_front_zone(),
 * bf_front_get_stats().  With an engine other than KVM doorbells stay in user
 * space, and there are no zones (-ENOTSUP).  Never blocks.
 */
struct bf_front *bf_vm_front(struct bf_vm *vm);

/**
 * bf_vm_guest_addr - the address by which guest code reaches a physical address
 * @gpa: guest-physical address
 *
 * With KVM and the page tables of bf_vcpu_boot64(), that is @gpa.  Another
 * engine may return another address, or 0 if nothing is at @gpa.  Does not
 * block.
 */
uint64_t bf_vm_guest_addr(struct bf_vm *vm, uint64_t gpa);

/**
 * bf_vcpu_create - create a vCPU (KVM_CREATE_VCPU)
 * @vm: the VM
 * @id: the vCPU's id, as for the ioctl
 * @vcpup: the new vCPU; unchanged on error
 *
 * When the function returns, the vCPU is online in the VM's table under @id and
 * under the next index.  During the call the table counts the vCPU as created,
 * but no lookup finds it.
 *
 * Return: 0;
 *   -EINVAL  the id is too large, or the VM has too many vCPUs.  All bits of
 *            @id count, on each kernel: Linux 6.1 itself drops those above the
 *            lowest 32, and would create another vCPU than the one asked for
 *   -EEXIST  the id is in use
 *   -ENOMEM, -EMFILE  out of memory or of file descriptors
 *   ...      another errno of KVM_CREATE_VCPU
 * On error the table is unchanged.
 *
 * A caller may create an id again after it has destroyed the vCPU.  KVM cannot
 * delete a vCPU, so KVM's own vCPU comes back with its old registers, and the
 * caller sets them.
 *
 * Blocks as KVM_CREATE_VCPU does, and while all vCPUs are locked
 * (bf_vcpus_lock_all()): a thread that has locked a vCPU must not call it.  May
 * be called inside a section of the table, and while guests run.
 */
int bf_vcpu_create(struct bf_vm *vm, unsigned long id, struct bf_vcpu **vcpup);

/**
 * bf_vcpu_destroy - remove a vCPU from its VM
 * @vcpu: not running; NULL does nothing
 *
 * From now on lookups in the VM's table do not find the vCPU.  The function
 * waits for an expedited grace period of the table, frees the vCPU, and makes
 * its id free.  KVM's own vCPU and its fd stay until the VM is destroyed, and
 * count as one of KVM's vCPUs.  Needs no memory.
 *
 * Sleeps, so do not call it inside a section of the table or with a vCPU
 * locked.  bf_vcpu_entry_remove_async() of bf_vcpu_get_entry(@vcpu) does not
 * wait, and may be called there.
 */
void bf_vcpu_destroy(struct bf_vcpu *vcpu);

/**
 * bf_vcpu_of - the vCPU of an entry in a VM's table
 * bf_vcpu_get_entry - the entry of a vCPU in its VM's table
 * @entry: an entry of bf_vm_vcpus()
 * @vcpu: the vCPU
 *
 * The result is valid as long as the argument.  bf_vcpu_entry_id() and
 * bf_vcpu_entry_index() of the entry are those of the vCPU.  Never block.
 */
struct bf_vcpu *bf_vcpu_of(struct bf_vcpu_entry *entry);
struct bf_vcpu_entry *bf_vcpu_get_entry(struct bf_vcpu *vcpu);

/**
 * bf_vcpu_fd - a vCPU's KVM fd, which belongs to it; -1: another engine
 *
 * For ioctls on the vCPU.  A KVM_RUN on it would pass the bus by, so on x86-64
 * it fails with EINVAL, unless the caller has called bf_vcpu_front(): outside
 * of bf_vcpu_run() bit 31 of kvm_dirty_regs is set in the run page.
 */
int bf_vcpu_fd(const struct bf_vcpu *vcpu);

/**
 * bf_vcpu_front - run a vCPU by a loop of the caller's
 * @vcpu: the vCPU
 *
 * From now on the caller may call KVM_RUN on bf_vcpu_fd(), between
 * bf_front_before_run() and bf_front_after_run().  bf_vcpu_run() works as well.
 *
 * Return: the vCPU of the VM's front, valid until bf_vcpu_destroy(), which
 * detaches it.  Never blocks.
 */
struct bf_front_vcpu *bf_vcpu_front(struct bf_vcpu *vcpu);

/**
 * bf_vcpu_page - the run page of a vCPU, struct kvm_run
 * bf_vcpu_page_size - the size of that mapping in bytes
 *
 * bf_vcpu_run() leaves an exit here.  Every engine fills the page as the kernel
 * does.  Valid until bf_vcpu_destroy().  Never block.
 */
struct kvm_run *bf_vcpu_page(const struct bf_vcpu *vcpu);
size_t bf_vcpu_page_size(const struct bf_vcpu *vcpu);

/**
 * bf_vcpu_coalesced_ring - the kernel's ring of a VM's coalesced zones
 * @vcpu: any vCPU of the VM
 * @entriesp: the number of entries of the ring; unchanged without a ring
 *
 * Return: the ring, which is a part of the vCPU's page, or NULL if the engine
 * or the kernel has none.  The VM has one ring, and the pages of all its vCPUs
 * show the same one.  Empty it as Documentation/virt/kvm/api.rst, 4.116, says:
 * one thread at a time takes the entry at first, advances first modulo
 * @entriesp, and repeats until first equals last.  The load of last is an
 * acquire, and the store of first a release: the kernel writes the entry before
 * last, and overwrites it after it has loaded first.  Valid until
 * bf_vcpu_destroy().  Never blocks.
 */
struct kvm_coalesced_mmio_ring *
bf_vcpu_coalesced_ring(const struct bf_vcpu *vcpu, uint32_t *entriesp);

/** The start of a guest program; see bf_vcpu_boot64(). */
struct bf_vcpu_boot64_desc {
	uint64_t rip;	       /* gpa of the first instruction */
	uint64_t rsp;	       /* guest address of the stack's end, or 0 */
	uint64_t args[6];      /* rdi, rsi, rdx, rcx, r8, r9; or x0 to x5 */
	uint64_t page_tables;  /* KVM: gpa of 24 KiB of guest memory, page
				  aligned, for an identity map of 4 GiB */
	void *page_tables_hva; /* KVM: the same memory in this process */
	uint64_t reserved[4];  /* must be 0 */
};

/**
 * bf_vcpu_boot64 - put a vCPU at the start of a 64-bit program
 * @vcpu: not running
 * @desc: the start; the page table fields are for KVM alone
 *
 * The vCPU has disabled interrupts, memory below 4 GiB mapped one to one, and
 * the arguments in the registers of the processor's call convention.
 *
 * On x86-64 the vCPU has flat segments, and the program ends with HLT.  On
 * aarch64 the function makes KVM_ARM_VCPU_INIT with the preferred target and
 * KVM_SET_GUEST_DEBUG; the program runs at EL1 and ends with BRK #0, which
 * bf_vcpu_run() reports as KVM_EXIT_HLT.  A KVM_RUN of the caller's returns
 * KVM_EXIT_DEBUG there.  A caller that writes code to guest memory cleans the
 * caches (__builtin___clear_cache()).
 *
 * Return: 0;
 *   -EINVAL  the page tables are not aligned or absent, rip is not mapped, or a
 *            reserved word is not 0
 *   ...      the errno of an ioctl
 * Does not block for long.
 */
int bf_vcpu_boot64(struct bf_vcpu *vcpu,
		   const struct bf_vcpu_boot64_desc *desc);

/**
 * bf_vcpu_run - run guest code until an exit is left for the caller
 * @vcpu: the vCPU; one thread at a time
 *
 * Calls KVM_RUN in a loop, with bf_front_before_run() and bf_front_after_run()
 * around it; the source of an access (struct bf_io_access) is @vcpu.  An exit
 * that the bus does not take, or with a handler that fails, and every other
 * exit, is the caller's: the exit is in bf_vcpu_page(), and the next call
 * completes it, as with KVM_RUN.
 *
 * Return: 0, with an exit in bf_vcpu_page();
 *   -EINTR  a signal or immediate_exit; the guest has lost nothing, and the
 *           page shows no exit that was served already.  The caller clears
 *           immediate_exit and calls again: as long as it is set, every call
 *           returns -EINTR at once.  A signal handler that must stop the vCPU
 *           sets immediate_exit: otherwise a signal between two KVM_RUN calls
 *           has no effect
 *   ...     another errno of KVM_RUN
 *
 * Blocks as long as the guest runs.  A handler of an exit of this vCPU must not
 * call it.
 */
int bf_vcpu_run(struct bf_vcpu *vcpu);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_VM_H */
