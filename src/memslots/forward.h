/* SPDX-License-Identifier: MIT */
/* Changes in the guest, KVM's in most cases, and their publication between. */
#ifndef BF_MEMSLOTS_FORWARD_H
#define BF_MEMSLOTS_FORWARD_H

#include "memslots/change.h"

/*
 * Fills in what the configuration leaves to the VM.  0 or a negative errno.
 */
int bf_forward_ask(struct bf_memslots_config *config);

/* The set function of a map that forwards to KVM; opaque is its bf_slots. */
int bf_forward_set(void *opaque,
		   const struct kvm_userspace_memory_region *change);

/*
 * Makes a transaction in the guest and publishes it here.  0, or a negative
 * errno, and the guest is as it was before; published or not, it has to be
 * aborted.
 */
int bf_forward(struct bf_slot_change *change);

/* ioctl(2) by its number: the function may be the preload library's. */
long bf_forward_ioctl(int fd, unsigned long request, void *arg);

#endif
