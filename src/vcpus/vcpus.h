/* SPDX-License-Identifier: MIT */
/* A vCPU table from inside. */
#ifndef BF_VCPUS_VCPUS_H
#define BF_VCPUS_VCPUS_H

#include "belfry/vcpus.h"
#include "vcpus/radix.h"

#define BF_VCPUS_MAX	  (1ULL << 32) /* ids and indices are below */
#define BF_VCPUS_NO_INDEX UINT32_MAX

enum bf_vcpus_state {
	BF_VCPUS_RESERVED,
	BF_VCPUS_ONLINE,
	BF_VCPUS_LEAVING, /* removed, not yet released */
};

/*
 * A slot of either tree holds an entry, or NULL, or one of these marks, which
 * a reader takes for NULL: entries are aligned, so the lowest bit tells.
 *
 * An id is TAKEN while it belongs to a vCPU that is not online; so is an index
 * until its vCPU is released, and then it is a link in the list of those that
 * may be given again.  The list needs no memory, so a removal cannot fail.
 */
static inline void *bf_vcpus_hole(uint32_t next)
{
	return (void *)((uintptr_t)next << 1 | 1);
}

#define BF_VCPUS_TAKEN bf_vcpus_hole(BF_VCPUS_NO_INDEX)

static inline uint32_t bf_vcpus_next_hole(const void *hole)
{
	return (uint32_t)((uintptr_t)hole >> 1);
}

struct bf_vcpus {
	/* What lookups read; changes with the height of a tree alone. */
	struct bf_radix by_index;
	struct bf_radix by_id;
	struct srcu_struct *srcu;
	uint64_t max_ids;
	uint64_t max_vcpus;
	unsigned int flags;

	/* Changes with each vCPU, so not in the cache line of the above. */
	pthread_mutex_t lock __attribute__((aligned(64))); /* of updaters */
	uint64_t published; /* publications so far */
	uint64_t end;	    /* above every index that was given */
	uint32_t created;
	uint32_t online;
	uint32_t reserved; /* creations under way */
	uint32_t hole;	   /* the index that was given back last */

	/*
	 * Held while a creation begins, and from locking all vCPUs until they
	 * are unlocked, as kvm->lock is.  Outside of the vCPUs' locks and of
	 * the one above.
	 */
	unsigned int gate;
	struct bf_vcpus_entry *locked; /* by bf_vcpus_lock_all(), last first */
	int locked_idx;		       /* of its section */

	struct srcu_struct own;
};

/* Calls the release function, if there is one; no lock held. */
void bf_vcpus_release(struct bf_vcpus_entry *entry);

/* What a reader makes of a slot. */
static inline struct bf_vcpus_entry *bf_vcpus_visible(void *slot)
{
	return (uintptr_t)slot & 1 ? NULL : slot;
}

#endif
