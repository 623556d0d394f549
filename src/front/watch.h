/* SPDX-License-Identifier: MIT */
/*
 * A hook for the moment in which the kernel gets a doorbell or a zone, for the
 * recording of `belfry run`.  The installing thread calls it after the ioctl,
 * with or without the front's lock: the hook must not call the front.
 */
#ifndef BF_FRONT_WATCH_H
#define BF_FRONT_WATCH_H

#include <linux/kvm.h>
#include <stddef.h>

struct bf_front;

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
