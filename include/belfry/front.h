/* SPDX-License-Identifier: MIT */
/**
 * belfry/front.h - doorbells and coalesced zones of a VM that stays the caller's
 *
 * The front answers KVM_IOEVENTFD and the coalesced zone calls in place of the
 * kernel, and installs doorbells and zones in the kernel when its policy says
 * so.  Until the kernel has a doorbell, a guest write to it comes out as an
 * exit; the front signals the eventfd, and the guest goes on.
 *
 * A registration in the kernel leaves a grace period pending: since Linux 6.18
 * the next memory slot change, doorbell removal or close of the VM sleeps until
 * it has ended, 4 to 25 ms; before 6.18 the registration itself waits.  A late
 * install is rare and comes in a quiet moment, so these calls do not sleep.
 *
 * The caller opens, owns and closes every descriptor and maps the run pages.  A
 * VMM with its own run loop adds these lines:
 *
 *	bf_front_attach(vm_fd, NULL, &front);           after KVM_CREATE_VM
 *	bf_front_attach_vcpu(front, fd, run, NULL, &v); after mmap() of the page
 *
 *	bf_front_ioctl(front, request, arg)             for ioctl(vm_fd, ...)
 *
 *	do {
 *		bf_front_before_run(v);
 *		ret = ioctl(fd, KVM_RUN, 0);
 *	} while (bf_front_after_run(v, ret));
 *
 *	bf_front_detach_vcpu(v); bf_front_destroy(front); before close()
 *
 * doc/embedding.md shows where they go in a VMM of QEMU's and of kvmtool's
 * structure.  belfry/vm.h and `belfry run` stand on this header, too.
 *
 * The front installs no signal handler and interposes no function.  It starts a
 * thread under BF_POLICY_LAZY when the first doorbell has been signalled often,
 * or in bf_front_start_thread(); and under BF_POLICY_FIRST_RUN when there is
 * more to install than a KVM_RUN installs.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Descriptions end in reserved words, which must be 0.
 * Thread safety: any thread may call any function at any time, unless its
 * description says otherwise.  One thread at a time uses a vCPU.
 * Contexts: no function is async-signal-safe.
 * fork(): a child may not use the fronts of its parent, as KVM's descriptors
 * work only in the process that opened them.  It may abandon them.
 */
#ifndef BELFRY_FRONT_H
#define BELFRY_FRONT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct bf_io_bus;   /* belfry/io_bus.h */
struct bf_memslots; /* belfry/memslots.h */

/** The front of one VM; opaque. */
struct bf_front;

/** A vCPU of a front; opaque. */
struct bf_front_vcpu;

/** When the kernel gets a doorbell or a coalesced zone. */
enum bf_policy {
	/**
	 * After the doorbell was signalled so often that the install pays for
	 * itself, and in a moment in which no call changes the VM.  A helper
	 * thread of the front installs; the thread starts when it is first
	 * needed.  The default.
	 */
	BF_POLICY_LAZY,
	/**
	 * At the first KVM_RUN; later ones at the next KVM_RUN of any vCPU.  A
	 * KVM_RUN installs at most 16 doorbells, and nothing while another
	 * thread changes the doorbells or the kernel has had 1,000.  The helper
	 * thread installs the others at once.
	 */
	BF_POLICY_FIRST_RUN,
	/**
	 * Never, except for a doorbell inside a zone that the kernel has: the
	 * zone would take the doorbell's writes.
	 */
	BF_POLICY_NEVER,
	/**
	 * In the call itself, and the front keeps nothing.  For comparison, and
	 * for a program that expects EPOLLHUP when it closes an eventfd.
	 */
	BF_POLICY_EAGER,
};

/** The description of a front.  All zero is a good default. */
struct bf_front_config {
	enum bf_policy policy;
	/**
	 * BF_POLICY_LAZY: the signals of a doorbell after which the kernel gets
	 * it.  Each vCPU checks at intervals of up to 64 exits, so there may be
	 * 64 signals more for each vCPU.  0: 1,000 signals, which cost about as
	 * much as an install.
	 */
	uint32_t install_after;
	/**
	 * BF_POLICY_LAZY: milliseconds without a memory slot change, a removal
	 * or a zone call before an install.  0: 10.
	 */
	uint32_t quiet_ms;
	/**
	 * Install zones in the call that registers them, under every policy:
	 * for a program that reads the ring without an exit before.
	 */
	bool zones_at_once;
	/**
	 * The bus for doorbells and for the accesses that come out as exits; it
	 * must outlive the front.  NULL: the front makes one (bf_front_bus()).
	 */
	struct bf_io_bus *bus;
	/**
	 * The map whose changes go to the VM: the front installs nothing for a
	 * while after a change of it.  It must outlive the front.  NULL: none;
	 * the caller brackets its slot changes, or makes them by
	 * bf_front_ioctl().
	 */
	struct bf_memslots *memslots;
	uint64_t reserved[4]; /* must be 0 */
};

/**
 * bf_front_attach - put a front before a VM
 * @vm_fd: of KVM_CREATE_VM.  The caller keeps it open until the front is gone
 * @config: the description; NULL: all zero
 * @frontp: receives the front; unchanged on error
 *
 * Doorbells and zones that the kernel has already stay there, and the front
 * passes their removal to the kernel.  @vm_fd -1 is a VM without a kernel
 * behind it: doorbells stay in user space, and there are no zones.
 *
 * Return: 0;
 *   -EBADF   @vm_fd is not open
 *   -ENOTTY  @vm_fd is not a VM
 *   -EIO     the VM belongs to another process
 *   -EINVAL  the policy does not exist, or a reserved word is not 0
 *   -ENOMEM  out of memory
 * Does not block for long.
 */
int bf_front_attach(int vm_fd, const struct bf_front_config *config,
		    struct bf_front **frontp);

/**
 * bf_front_detach - hand everything to the kernel, and end a front
 * @front: no vCPU is attached, and no other call on the front is in progress
 *
 * The VM goes on without belfry: the kernel gets every doorbell and zone that
 * is pending, whatever the policy, and the front leaves the bus.  A vCPU whose
 * last exit the front served needs no further call: its next KVM_RUN completes
 * the exit.  Counts of the front are lost.
 *
 * Return: 0, and @front is gone;
 *   -EBUSY    a vCPU is attached
 *   -ENOTSUP  there is no kernel behind the VM
 *   -ENOSPC, -ENOMEM  the kernel refused a doorbell
 * On error the front stays, under BF_POLICY_EAGER if the kernel refused.  Waits
 * for an install in progress, and for grace periods of the kernel before 6.18.
 */
int bf_front_detach(struct bf_front *front);

/**
 * bf_front_destroy - end the front of a VM that ends
 * @front: no vCPU is attached, and no other call on the front is in progress;
 *	NULL does nothing
 *
 * Call it before the last close of the VM: nothing that is pending goes to the
 * kernel, so the close need not wait for it.  The kernel drops its own
 * doorbells when the VM closes.  The doorbells of the front on a bus of the
 * caller's stay there, so the caller must destroy that bus next.
 *
 * Waits for an install in progress, microseconds if no other call changes the
 * VM.
 */
void bf_front_destroy(struct bf_front *front);

/**
 * bf_front_bus - the bus of a front
 *
 * Return: the bus of the configuration, or the one that the front made, which
 * lives as long as the front.  Never blocks.
 */
struct bf_io_bus *bf_front_bus(const struct bf_front *front);

/**
 * bf_front_start_thread - start the helper thread of BF_POLICY_LAZY now
 *
 * Otherwise a vCPU thread starts it when a doorbell was signalled often.  For a
 * VMM whose vCPU threads may not create threads: doc/front.md lists the system
 * calls of each kind of thread.  The thread blocks all signals, sleeps until
 * there is something to install, and ends with the front.
 *
 * Return: 0, also if the policy needs no thread, or the errno of
 * pthread_create(3), negative.  Does not block for long.
 */
int bf_front_start_thread(struct bf_front *front);

/**
 * bf_front_attach_vcpu - tell a front about a vCPU
 * @front: the front of the vCPU's VM
 * @vcpu_fd: of KVM_CREATE_VCPU; used by bf_front_complete() alone.  The caller
 *	keeps it open until the vCPU is detached
 * @run: the caller's mapping of the run page, which stays until then
 * @source: goes to handlers on the bus as the source of this vCPU's accesses
 *	(struct bf_io_access); may be NULL
 * @vcpup: receives the vCPU; unchanged on error
 *
 * Return: 0; -EINVAL: @run is NULL; -ENOMEM.  Does not block for long.
 */
int bf_front_attach_vcpu(struct bf_front *front, int vcpu_fd,
			 struct kvm_run *run, void *source,
			 struct bf_front_vcpu **vcpup);

/**
 * bf_front_detach_vcpu - forget a vCPU
 * @vcpu: does not run; NULL does nothing
 *
 * Touches neither the page nor the kernel's vCPU.  Does not block for long.
 */
void bf_front_detach_vcpu(struct bf_front_vcpu *vcpu);

/**
 * bf_front_before_run - call it before each KVM_RUN
 * @vcpu: the vCPU
 *
 * Installs up to 16 doorbells if BF_POLICY_FIRST_RUN says so, as long
 * as the kernel takes for it, and never waits for another thread; otherwise two
 * loads.
 *
 * On x86-64, after a store of 8 bytes that the caller has handled, more of the
 * store may follow.  KVM_RUN then completes it without running the guest:
 * immediate_exit has a nonzero value other than 1 until bf_front_after_run(),
 * and what the caller or its signal handler stores there survives.
 */
void bf_front_before_run(struct bf_front_vcpu *vcpu);

/**
 * bf_front_after_run - call it after each KVM_RUN, before reading the exit
 * @vcpu: the vCPU
 * @ret: the result of ioctl(KVM_RUN); negative: it failed
 *
 * Offers an MMIO or port exit to the bus.  The bus gets a string or repeated
 * port instruction element by element.  As in the kernel the first element
 * decides: if the bus does not take it, the caller gets the whole string; later
 * elements that the bus does not take are dropped (writes) or read as zero.
 * A store of more than 8 bytes comes out in parts.  As in the kernel the caller
 * gets each part behind one that neither the bus nor a zone takes.
 *
 * Return: true if the exit is served; the data of a read is in the page.  The
 * caller enters again, and the kernel completes the instruction first.  Until
 * then the registers are those of an instruction in progress, so a caller that
 * wants to stop here calls bf_front_complete().
 *
 * Return: false if the exit is the caller's: the bus did not take it, or its
 * handler failed.  If KVM_RUN failed, the page shows no exit that was served
 * before: it shows KVM_EXIT_INTR instead.
 *
 * Return: true without an exit if KVM_RUN has only completed a store of which
 * the caller has handled a part (bf_front_before_run()).
 *
 * Writes nothing else to the page, so a kick that sets immediate_exit or a
 * signal mask is never lost.  Runs the handlers of the
 * bus, and adds to an eventfd; otherwise it does not block.
 */
bool bf_front_after_run(struct bf_front_vcpu *vcpu, int ret);

/**
 * bf_front_complete - complete a served exit without running the guest
 * @vcpu: the vCPU; bf_front_after_run() has returned true
 *
 * For a caller that stops a vCPU by a flag alone, and for one that reads the
 * registers.  Enters KVM_RUN with immediate_exit set, and serves the exits that
 * the completion brings out, the rest of a long write for example.  While
 * KVM_RUN is under way immediate_exit has a nonzero value other than 1; what
 * the caller or its signal handler stores there survives.
 *
 * Return: -EINTR if the vCPU is between two instructions; the page shows
 * KVM_EXIT_INTR.  0 if the page has an exit for the caller, of the same
 * instruction.  Otherwise another errno of KVM_RUN, negative.
 */
int bf_front_complete(struct bf_front_vcpu *vcpu);

/**
 * bf_front_set_stepping - a debugger steps through a vCPU, or has ended
 * @vcpu: the vCPU
 * @stepping: true before KVM_SET_GUEST_DEBUG with KVM_GUESTDBG_SINGLESTEP,
 *	false after KVM_SET_GUEST_DEBUG without it
 *
 * KVM reports no step after an exit that user space serves.  So while a vCPU is
 * stepped, the kernel has every doorbell and zone of its VM, whatever the
 * policy.  Blocks as an install does.
 */
void bf_front_set_stepping(struct bf_front_vcpu *vcpu, bool stepping);

/**
 * bf_front_ioctl - make any ioctl on the VM
 * @front: the front
 * @request: the request
 * @arg: its argument, a pointer or a number, as for ioctl(2)
 *
 * KVM_IOEVENTFD and the coalesced zone calls go to the front, as by
 * bf_front_ioeventfd() and bf_front_zone().  Any other request goes to the
 * kernel, inside bf_front_call_begins() and bf_front_call_ends().  A VMM that
 * makes its VM ioctls in one function calls this one there.
 *
 * Return: the result of the ioctl, or its errno, negative.  Blocks as the ioctl
 * does.
 */
int bf_front_ioctl(struct bf_front *front, unsigned long request, void *arg);

/**
 * bf_front_ioeventfd - assign or deassign a doorbell (KVM_IOEVENTFD)
 * @front: the front
 * @arg: as for the ioctl (Documentation/virt/kvm/api.rst, 4.59)
 *
 * Return: 0;
 *   -EINVAL  the length is not 0, 1, 2, 4 or 8; the range wraps; a flag is
 *            unknown; a datamatch has length 0; @arg->fd is not an eventfd
 *   -EBADF   @arg->fd is not open
 *   -EEXIST  assign: another doorbell of the VM collides with this one
 *   -ENOENT  deassign: there is no such doorbell
 *   -ENOMEM  out of memory
 *   -ENOSPC  the kernel has no room, and the policy is BF_POLICY_EAGER or a
 *            zone in the kernel covers the doorbell.  Otherwise such a doorbell
 *            stays in user space
 * If the front is out of memory or descriptors, the kernel gets the doorbell.
 *
 * Waits for a grace period of the kernel only if it removes a doorbell that the
 * kernel has, if a zone in the kernel covers the doorbell, or under
 * BF_POLICY_EAGER.  After a deassign has returned, the doorbell does not signal.
 *
 * The front duplicates the eventfd and keeps the duplicate until the deassign,
 * so the caller may close its own descriptor.  Therefore that close raises no
 * EPOLLHUP, and an epoll set continues to report the eventfd.  Under
 * BF_POLICY_EAGER the front keeps no duplicate.
 */
int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg);

/**
 * bf_front_zone - register or unregister a coalesced zone
 * @front: the front
 * @request: KVM_REGISTER_COALESCED_MMIO or KVM_UNREGISTER_COALESCED_MMIO
 * @zone: as for the ioctl
 *
 * The kernel gets the zone when the policy says so, and gets the doorbells
 * inside the zone before it: the zone would take their writes.  Until then a
 * write inside the zone comes out as an exit.  Every user of zones must handle
 * such exits, because the kernel makes one whenever the ring is full.  Under
 * BF_POLICY_LAZY the front counts these exits.
 *
 * A caller that empties the ring before it handles an exit, as KVM demands,
 * sees the writes of each vCPU in their order.  A handler on the bus that
 * depends on this order empties the ring, too.
 *
 * Return: 0;
 *   -EINVAL   another @request, or @zone->pio is above 1
 *   -ENOMEM   out of memory
 *   -ENOSPC   the kernel has no room
 *   -ENOTSUP  there is no kernel behind the VM
 * Waits for a grace period of the kernel only if it removes a zone that the
 * kernel has.
 */
int bf_front_zone(struct bf_front *front, unsigned long request,
		  const struct kvm_coalesced_mmio_zone *zone);

/**
 * bf_front_call_begins - before an ioctl on the VM that the caller makes itself
 * bf_front_call_ends - after it, whatever its result
 * @front: the front
 * @request: the request
 *
 * If the call may hold the kernel's slots lock for long or wait for a grace
 * period (memory slots, vCPUs, devices, filters, ...), the front installs
 * nothing beside it and for quiet_ms after it.  For any other request they do
 * nothing, so a VMM may bracket all of them.  Never block.
 */
void bf_front_call_begins(struct bf_front *front, unsigned long request);
void bf_front_call_ends(struct bf_front *front, unsigned long request);

/**
 * bf_front_install_all - give the kernel everything, now and from now on
 * @front: the front
 *
 * For a VM of which the front cannot see every exit any more, a vCPU that the
 * caller runs without bf_front_after_run() for example.  The policy is
 * BF_POLICY_EAGER from now on.  May be called while vCPUs run; their exits
 * still go to bf_front_after_run().
 *
 * Return: 0, or the errno of the first doorbell that the kernel refused, which
 * the front still serves.  Blocks as the installs do.
 */
int bf_front_install_all(struct bf_front *front);

/** The counters of a front; see bf_front_get_stats(). */
struct bf_front_stats {
	uint64_t assigned;	  /* doorbells assigned */
	uint64_t deassigned;	  /* doorbells deassigned */
	uint64_t never_installed; /* deassigned before the kernel had them */
	uint64_t installed;	  /* doorbells installed in the kernel */
	uint64_t refused;	  /* doorbells that the kernel refused */
	uint64_t signalled;	  /* signals of doorbells from user space */
	uint64_t zones;		  /* coalesced zones registered */
	uint64_t zones_installed; /* zones installed in the kernel */
	uint64_t install_after;	  /* K of BF_POLICY_LAZY */
	uint64_t reserved[4];	  /* 0 */
};

/**
 * bf_front_get_stats - read the counters of a front
 * @front: the front
 * @stats: the counters
 *
 * Each counter is exact, but calls and exits beside this call may be in one
 * counter and not yet in another.  Does not block for long.
 */
void bf_front_get_stats(struct bf_front *front, struct bf_front_stats *stats);

/**
 * bf_front_doorbell_signals - how often the front has signalled a doorbell
 * @front: the front
 * @arg: the doorbell: address, length, flags and datamatch; the eventfd does
 *	not matter
 * @signals: the signals from user space; unchanged on error
 * @installed: true: the kernel has the doorbell
 *
 * Signals of the kernel are not counted: nothing in user space sees them.
 *
 * Return: 0; -ENOENT: the front has no such doorbell.  May wait for an install
 * of this doorbell that is in progress.
 */
int bf_front_doorbell_signals(struct bf_front *front,
			      const struct kvm_ioeventfd *arg,
			      uint64_t *signals, bool *installed);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_FRONT_H */
