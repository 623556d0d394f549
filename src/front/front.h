/* SPDX-License-Identifier: MIT */
/*
 * What belfry/vm.h and the preload library use beside the public header.
 *
 * The front calls the kernel through syscall(2), because ioctl() may be the
 * preload library's.  doc/front.md explains how it works.
 */
#ifndef BF_FRONT_H
#define BF_FRONT_H

#include "belfry/front.h"

/*
 * The front installs nothing from now on, and does not use vm_fd any more.
 * bf_front_destroy() stops, too; a VM that closes in between stops before.
 */
void bf_front_stop(struct bf_front *front);

/*
 * A reason (+1) to give the kernel every doorbell and zone, those that are
 * pending and those to come, or its end (-1).
 */
void bf_front_at_once(struct bf_front *front, int change);

/*
 * Calls close_fd(fd), which closes a VM, when no other VM of this process
 * closes, or after 8 ms in any case: a longer wait cannot pay.  A VM with a
 * pending grace period of its own does not wait: its close sleeps in any case,
 * and no other VM must wait for that.  @front is stopped, or NULL.  close_fd()
 * must return, and must not be a cancellation point.
 *
 * A VM that closes stops watching its process's memory, and waits for a grace
 * period of a domain that all VMs of the machine share.  The grace period is
 * expedited if no other is in progress; beside another one it is normal, and
 * sleeps for milliseconds, whether or not the VM had doorbells.  So two VMs
 * that close at the same moment both take longer than one after the other.
 */
void bf_close_vm(const struct bf_front *front, int fd,
		 void (*close_fd)(int fd));

/*
 * True if the last install is so recent that its grace period may still be
 * pending in the kernel.
 */
bool bf_front_has_pending_gp(const struct bf_front *front);

/*
 * For a caller that passed the removal of a doorbell to the kernel itself,
 * which returned @ret.  The front drops the doorbell, too.  If the kernel has
 * refused the doorbell before, only the front has it, and the removal succeeds
 * here. The front finds the doorbell without its eventfd, which the caller's
 * thread may not be allowed to compare: no other doorbell can have the same
 * address, length and datamatch.  So a removal with a wrong eventfd removes a
 * refused doorbell.  Returns the result of the removal.
 */
int bf_front_note_removal(struct bf_front *front,
			  const struct kvm_ioeventfd *arg, int ret);

/*
 * A step of bf_front_complete(), on any descriptor of the vCPU: KVM_RUN with
 * immediate_exit set.  Returns its result or a negative errno.
 */
int bf_front_complete_once(struct bf_front_vcpu *vcpu, int fd);

/*
 * Waits until the signals of doorbells in progress have ended, but not after
 * @until_ns.  Later signals see what the caller has stored before.
 */
void bf_front_wait_for_signals(struct bf_front *front, uint64_t until_ns);

/* What every front counts, beside the signals of its doorbells. */
enum bf_front_counter {
	BF_FRONT_ASSIGNED,
	BF_FRONT_DEASSIGNED,
	BF_FRONT_NEVER_INSTALLED,
	BF_FRONT_INSTALLED,
	BF_FRONT_REFUSED,
	BF_FRONT_ZONES,
	BF_FRONT_ZONES_INSTALLED,
	BF_FRONT_COUNTERS,
};

/*
 * NULL, or a hook that each front calls when it has added 1 to a counter, with
 * or without its lock.  Set it before the first front exists.
 */
extern void (*bf_front_counted)(enum bf_front_counter counter);

/* True if bf_front_before_run() would install something. */
bool bf_front_install_is_due(const struct bf_front_vcpu *vcpu);

/* The other part of bf_front_before_run(), which installs nothing. */
void bf_front_complete_store(struct bf_front_vcpu *vcpu);

/*
 * A signal handler has left bf_front_after_run() or KVM_RUN by a long jump. The
 * front has a bus of its own, and its vCPU is in one thread at a time.  A
 * removal that waits for a section which the thread has left open, ends the
 * section at a moment in which no vCPU is in one: within twice the time that it
 * has waited.  Async-signal-safe.
 */
void bf_front_leave_run(struct bf_front_vcpu *vcpu);

/*
 * True if bf_front_after_run() may take locks: no handler must leave it then.
 * Other calls take none.
 */
bool bf_front_check_is_due(const struct bf_front_vcpu *vcpu);

/* Has bf_front_after_run() returned true for an exit that the bus took? */
bool bf_front_has_served(const struct bf_front_vcpu *vcpu);

/*
 * A hook for the moment in which the kernel gets a doorbell or a zone, for the
 * recording of `belfry run`.  The installing thread calls it after the ioctl,
 * with or without the front's lock: the hook must not call the front.
 */
struct bf_front_watch {
	/* KVM_IOEVENTFD, assign; @ret is the kernel's result. */
	void (*doorbell)(const struct bf_front *front,
			 const struct kvm_ioeventfd *arg, int ret);
	/* KVM_REGISTER_COALESCED_MMIO. */
	void (*zone)(const struct bf_front *front,
		     const struct kvm_coalesced_mmio_zone *zone, int ret);
};

/* NULL: no hook.  Set it before the first front exists. */
extern const struct bf_front_watch *bf_front_watch;

#endif
