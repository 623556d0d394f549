/* SPDX-License-Identifier: MIT */
/*
 * For whoever wants to know when the kernel learns what the front keeps back.
 * Called by the thread that told the kernel, after it and without the front's
 * lock or with it: what is called must not call the front.
 */
#ifndef BF_VM_WATCH_H
#define BF_VM_WATCH_H

#include <linux/kvm.h>
#include <stddef.h>

struct bf_front;

struct bf_front_watch {
	/* KVM_IOEVENTFD, assign; ret is the kernel's. */
	void (*doorbell)(const struct bf_front *front,
			 const struct kvm_ioeventfd *arg, int ret);
	/* KVM_REGISTER_COALESCED_MMIO. */
	void (*zone)(const struct bf_front *front,
		     const struct kvm_coalesced_mmio_zone *zone, int ret);
};

/* NULL: nobody.  Set before there is a front. */
extern const struct bf_front_watch *bf_front_watch;

static inline void bf_watch_doorbell(const struct bf_front *front,
				     const struct kvm_ioeventfd *arg, int ret)
{
	if (bf_front_watch)
		bf_front_watch->doorbell(front, arg, ret);
}

static inline void bf_watch_zone(const struct bf_front *front,
				 const struct kvm_coalesced_mmio_zone *zone,
				 int ret)
{
	if (bf_front_watch)
		bf_front_watch->zone(front, zone, ret);
}

#endif
