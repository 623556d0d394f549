/* SPDX-License-Identifier: MIT */
/*
 * The front: what stands between a VMM and its KVM VM fd.  It answers
 * KVM_IOEVENTFD from a bus of its own at once, gives the doorbells to the
 * kernel when the policy says so, and until then rings them itself when their
 * write comes out as an exit.
 *
 * belfry/vm.h and the preload library both stand on it.  It talks to the
 * kernel through syscall(2), never through the interposable wrappers.
 */
#ifndef BF_VM_FRONT_H
#define BF_VM_FRONT_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "belfry/io_bus.h"
#include "belfry/vm.h"

struct bf_front;

/*
 * vm_fd is borrowed and must stay open until bf_front_destroy(); -1 for a VM
 * without a kernel behind it, whose doorbells stay here for good.  bus is
 * borrowed too; NULL makes one for doorbells alone.
 * 0, -ENOMEM.
 */
int bf_front_create(struct bf_front **frontp, int vm_fd, enum bf_policy policy,
		    struct bf_io_bus *bus);

/* Leaves the kernel's own doorbells to the close of the VM. */
void bf_front_destroy(struct bf_front *front);

/*
 * KVM_IOEVENTFD.  0 or the negative errno that the kernel would answer; never
 * waits for a grace period of the kernel's unless it removes a doorbell that
 * the kernel already has, or the policy is eager.  Thread safe.
 */
int bf_front_ioeventfd(struct bf_front *front, const struct kvm_ioeventfd *arg);

/*
 * KVM_REGISTER_COALESCED_MMIO or KVM_UNREGISTER_COALESCED_MMIO (request):
 * passed to the kernel, after the pending doorbells that the zone covers were
 * given to it: the kernel lets the doorbell win, but only if it knows it.
 * 0 or a negative errno.
 */
int bf_front_zone(struct bf_front *front, unsigned long request,
		  const struct kvm_coalesced_mmio_zone *zone);

/*
 * Around a call on the VM that is made past the front and may hold the
 * kernel's slots_lock for long (memory slots, vCPUs, devices, ...): the front
 * then asks the kernel for nothing that can wait behind it.
 */
void bf_front_call_begins(struct bf_front *front);
void bf_front_call_ends(struct bf_front *front);

/*
 * Call before each KVM_RUN of any vCPU: installs what the policy says.  One
 * load where there is nothing to do.
 */
void bf_front_before_run(struct bf_front *front);

/*
 * An exit that KVM_RUN just returned.  True: a doorbell of ours claimed it,
 * it is complete, and the vCPU is to be entered again.  Call between
 * KVM_RUN and anything else that may look at the exit.
 */
bool bf_front_exit(struct bf_front *front, struct kvm_run *run);

/* What the front did so far; readable at any time. */
void bf_front_stats(struct bf_front *front, struct bf_vm_stats *stats);

#endif
