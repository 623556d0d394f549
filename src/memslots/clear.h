/* SPDX-License-Identifier: MIT */
/* Removal without memory. */
#ifndef BF_MEMSLOTS_CLEAR_H
#define BF_MEMSLOTS_CLEAR_H

#include "memslots/memslots.h"

/*
 * Makes a change that is a removal; lock held.  0 or the errno of that change,
 * never for want of memory here.  *spare is then a view that nobody has ever
 * seen, to be retired as the one that a removal replaces.
 */
int bf_slot_clear(struct bf_slots *slots,
		  const struct kvm_userspace_memory_region *change,
		  struct bf_memslots_view **spare);

#endif
