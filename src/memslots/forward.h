/* SPDX-License-Identifier: MIT */
/* Changes of the slots of a guest, which KVM runs in most cases. */
#ifndef BF_MEMSLOTS_FORWARD_H
#define BF_MEMSLOTS_FORWARD_H

#include "memslots/change.h"

/* Asks KVM for numbers that the configuration leaves 0; 0 or an errno. */
int bf_forward_ask(struct bf_memslots_config *config);

/* The set function of a map that forwards to KVM; opaque is its bf_slots. */
int bf_forward_set(void *opaque,
		   const struct kvm_userspace_memory_region *change);

/*
 * Makes a transaction in the guest, publishes it in between, and calls the
 * listeners before paused vCPUs resume.  Returns 0, or a negative errno with
 * the guest as before; then the transaction, which may have been published,
 * must be aborted.
 */
int bf_forward(struct bf_slot_change *change);

/* The system call, because ioctl(3) may be the preload library's. */
long bf_forward_ioctl(int fd, unsigned long request, void *arg);

#endif
