/* SPDX-License-Identifier: MIT */
/*
 * The front: what stands between a VMM and its KVM VM fd.  It answers
 * KVM_IOEVENTFD and coalesced zones at once, gives them to the kernel when the
 * policy says so, and until then rings the doorbells itself when their write
 * comes out as an exit.
 *
 * belfry/vm.h and the preload library both stand on it.  It talks to the
 * kernel through syscall(2), never through the interposable wrappers.
 * doc/front.md says how it works.
 */
#ifndef BF_VM_FRONT_H
#define BF_VM_FRONT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "belfry/io_bus.h"
#include "belfry/vm.h"

struct bf_front;

/* As in struct bf_vm_config, which has the units and the defaults. */
struct bf_front_config {
	enum bf_policy policy;
	uint32_t rings;
	uint32_t quiet_ms;
	bool zones_at_once;
};

/*
 * vm_fd is borrowed and must stay open until bf_front_stop(); -1 for a VM
 * without a kernel behind it, whose doorbells stay here for good.  bus is
 * borrowed too; NULL makes one for doorbells alone.  0, -ENOMEM.
 */
int bf_front_create(struct bf_front **frontp, int vm_fd,
		    const struct bf_front_config *config,
		    struct bf_io_bus *bus);

/*
 * Nothing is given to the kernel any more, and the fd is not used: what is
 * pending stays so.  Waits for the one install that may be under way, which
 * is a matter of microseconds where nobody changes the VM; or, once per boot,
 * for the measurement of what a ring costs.
 */
void bf_front_stop(struct bf_front *front);

/*
 * Stops it, and leaves the kernel's own doorbells to the close of the VM, and
 * those on a borrowed bus to that bus's end, which must come next.
 */
void bf_front_destroy(struct bf_front *front);

/*
 * KVM_IOEVENTFD.  0 or the negative errno that the kernel would answer; never
 * waits for a grace period of the kernel's unless it removes a doorbell that
 * the kernel already has, or the policy is eager.  Thread safe.
 */
int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg);

/*
 * For a caller that had the kernel itself answer the removal of a doorbell,
 * with @ret: what is gone there is gone here, and one that the kernel refused
 * to have is gone here alone.  What is found is found by all but its eventfd;
 * no other doorbell has the rest in common.  Returns the answer.
 */
int bf_front_removed(struct bf_front *front, const struct kvm_ioeventfd *arg,
		     int ret);

/*
 * KVM_REGISTER_COALESCED_MMIO or KVM_UNREGISTER_COALESCED_MMIO (request).
 * 0 or the negative errno that the kernel would answer; waits for a grace
 * period of the kernel's only where it removes a zone that the kernel has.
 */
int bf_front_zone(struct bf_front *front, unsigned long request,
		  const struct kvm_coalesced_mmio_zone *zone);

/*
 * Around a call on the VM that is made past the front.  Where it may hold the
 * kernel's slots_lock for long, or wait for a grace period (memory slots,
 * vCPUs, devices, ...), the front asks the kernel for nothing that can wait
 * behind it, and installs nothing until some time after it.
 */
void bf_front_call_begins(struct bf_front *front, uint32_t request);
void bf_front_call_ends(struct bf_front *front, uint32_t request);

/*
 * Call before each KVM_RUN of any vCPU: installs what the policy says.  Two
 * loads where there is nothing to do.
 */
void bf_front_before_run(struct bf_front *front);

/*
 * An exit that KVM_RUN just returned.  True: somebody on the bus claimed it,
 * it is complete, and the vCPU is to be entered again.  Call between
 * KVM_RUN and anything else that may look at the exit.
 */
bool bf_front_exit(struct bf_front *front, struct kvm_run *run);

/*
 * The kernel gets all that is pending, and from now on everything at once: for
 * a VM whose exits cannot all be seen.
 */
void bf_front_give_all(struct bf_front *front);

/*
 * Has the kernel been told of a doorbell or a zone so lately that the close of
 * the VM sleeps out what that left behind?
 */
bool bf_front_owes(const struct bf_front *front);

/* What the front did so far; readable at any time. */
void bf_front_stats(struct bf_front *front, struct bf_vm_stats *stats);

#endif
