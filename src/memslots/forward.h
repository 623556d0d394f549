/* SPDX-License-Identifier: MIT */
/* Changes to KVM_SET_USER_MEMORY_REGION, and their publication between. */
#ifndef BF_MEMSLOTS_FORWARD_H
#define BF_MEMSLOTS_FORWARD_H

#include "memslots/change.h"

/*
 * Fills in what the configuration leaves to the VM.  0 or a negative errno.
 */
int bf_forward_ask(struct bf_memslots_config *config);

/*
 * Makes a transaction in KVM and publishes it here.  0, or a negative errno,
 * and KVM is as it was before; published or not, it has to be aborted.
 */
int bf_forward(struct bf_slot_change *change);

/* ioctl(2) by its number: the function may be the preload library's. */
long bf_forward_ioctl(int fd, unsigned long request, void *arg);

#endif
