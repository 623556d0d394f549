/* SPDX-License-Identifier: MIT */
/* The checks of KVM_SET_USER_MEMORY_REGION, and the kind of each change. */
#ifndef BF_MEMSLOTS_RULES_H
#define BF_MEMSLOTS_RULES_H

#include "memslots/memslots.h"

enum bf_slot_change_kind {
	BF_CHANGE_NONE,
	BF_CHANGE_ADD,
	BF_CHANGE_REMOVE,
	BF_CHANGE_MOVE,
	BF_CHANGE_FLAGS,
	/* Of a transaction as a whole: removed, and added again. */
	BF_CHANGE_REPLACE,
};

/* The checks that need no slots: 0 or -EINVAL. */
int bf_rules_check(const struct bf_memslots_config *config,
		   const struct kvm_userspace_memory_region *change);

/*
 * The kind of a change that passed bf_rules_check(), for the slot of its number
 * as it is: not BF_CHANGE_REPLACE.  Or -EINVAL.
 */
int bf_rules_kind(const struct kvm_userspace_memory_region *old,
		  const struct kvm_userspace_memory_region *change);

/* The kind of all changes of a slot together. */
enum bf_slot_change_kind
bf_rules_net_kind(const struct kvm_userspace_memory_region *old,
		  const struct kvm_userspace_memory_region *now);

/* 0 or -EINVAL: beyond the addresses of the guest. */
int bf_rules_check_gpa(const struct bf_memslots_config *config,
		       const struct kvm_userspace_memory_region *change);

#endif
