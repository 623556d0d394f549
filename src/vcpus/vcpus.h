/* SPDX-License-Identifier: MIT */
/* The private part of a vCPU table. */
#ifndef BF_VCPUS_VCPUS_H
#define BF_VCPUS_VCPUS_H

#include "base/sparse.h"
#include "belfry/vcpus.h"

#define BF_VCPUS_MAX	  (1ULL << BF_SPARSE_BITS) /* above all ids */
#define BF_VCPUS_NO_INDEX UINT32_MAX

enum bf_vcpus_state {
	BF_VCPUS_RESERVED,
	BF_VCPUS_ONLINE,
	BF_VCPUS_REMOVED, /* and not yet released */
};

/*
 * A slot of either array holds an entry, NULL, or a mark, which readers treat
 * as NULL.  Entries are aligned, so a set lowest bit means a mark.
 *
 * The slot of an id holds BF_VCPUS_TAKEN while its vCPU is not online.  The
 * slot of an index holds it from the removal until the release.  After that the
 * mark links the index into the list of free indices.  The list lies in the
 * slots and needs no memory, so a removal cannot fail.
 */
static inline void *bf_vcpus_free_mark(uint32_t next)
{
	return (void *)((uintptr_t)next << 1 | 1);
}

#define BF_VCPUS_TAKEN bf_vcpus_free_mark(BF_VCPUS_NO_INDEX)

static inline uint32_t bf_vcpus_next_free(const void *mark)
{
	return (uint32_t)((uintptr_t)mark >> 1);
}

struct bf_vcpus {
	/* Read by lookups. */
	struct bf_sparse by_index;
	struct bf_sparse by_id;
	struct srcu_struct *srcu;
	uint64_t max_ids;
	uint64_t max_vcpus;
	unsigned int flags;

	/* Written for each vCPU: a cache line apart from the above. */
	pthread_mutex_t lock __attribute__((aligned(64))); /* updaters */
	uint64_t published; /* seq of the last publication */
	uint64_t end;	    /* above every assigned index */
	uint32_t created;
	uint32_t online;
	uint32_t reserved;   /* not yet published or cancelled */
	uint32_t free_index; /* freed last; head of the list */

	/*
	 * Taken by bf_vcpus_reserve(), and held while all vCPUs are locked, as
	 * kvm->lock is.  Taken before the locks of vCPUs and before lock.
	 */
	unsigned int create_lock;
	struct bf_vcpu_entry *locked; /* by bf_vcpus_lock_all(), last first */
	int locked_idx;		      /* SRCU index of bf_vcpus_lock_all() */

	struct srcu_struct private_srcu;
};

/*
 * A lock in one word; 0 is unlocked.  Unlike for a pthread_mutex_t, a handler
 * without SA_RESTART ends the sleep of a thread: then -EINTR, else 0.
 */
int bf_word_lock(unsigned int *word);
/* The same with a limit on CLOCK_MONOTONIC: then -ETIMEDOUT. */
int bf_word_lock_until(unsigned int *word, uint64_t until_ns);
/* Returns 0 or -EBUSY. */
int bf_word_trylock(unsigned int *word);
void bf_word_unlock(unsigned int *word);

/* Calls the release function if there is one.  The caller holds no lock. */
void bf_vcpu_entry_release(struct bf_vcpu_entry *entry);

/* The entry in a slot, or NULL for a mark. */
static inline struct bf_vcpu_entry *bf_vcpus_visible(void *slot)
{
	return (uintptr_t)slot & 1 ? NULL : slot;
}

#endif
