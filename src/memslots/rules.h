/* SPDX-License-Identifier: MIT */
/* What KVM_SET_USER_MEMORY_REGION lets pass, and what it makes of it. */
#ifndef BF_MEMSLOTS_RULES_H
#define BF_MEMSLOTS_RULES_H

#include "memslots/memslots.h"

enum bf_slot_change_kind {
	BF_CHANGE_NONE,
	BF_CHANGE_ADD,
	BF_CHANGE_REMOVE,
	BF_CHANGE_MOVE,
	BF_CHANGE_FLAGS,
	/* Only of a whole transaction: removed and added again. */
	BF_CHANGE_REPLACE,
};

/* 0 or -EINVAL: what can be said without looking at the slots. */
int bf_rules_check(const struct bf_memslots_config *config,
		   const struct kvm_userspace_memory_region *change);

/*
 * What a change that passed means for the slot of its number, or -EINVAL.
 * Never BF_CHANGE_REPLACE.
 */
int bf_rules_kind(const struct kvm_userspace_memory_region *old,
		  const struct kvm_userspace_memory_region *change);

/* The same for the states before and after a transaction; cannot fail. */
enum bf_slot_change_kind
bf_rules_net_kind(const struct kvm_userspace_memory_region *old,
		  const struct kvm_userspace_memory_region *now);

/* 0 or -EINVAL: behind what the guest can address. */
int bf_rules_check_gpa(const struct bf_memslots_config *config,
		       const struct kvm_userspace_memory_region *change);

#endif
