/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `belfry torture memslots` share.
 *
 * Each slot has memory of its own, every word of which says whose it is and in
 * which of its lives.  When a removal is complete the memory is made
 * inaccessible, so whoever still uses it is caught by a fault; before the slot
 * is added again it gets a new life, so whoever mixes up two is caught by what
 * he reads.
 */
#ifndef BF_CLI_TORTURE_MEMSLOTS_H
#define BF_CLI_TORTURE_MEMSLOTS_H

#include "belfry/memslots.h"
#include "torture_actor.h"

#define NR_SLOTS   128
#define SLOT_PAGES 2
#define PAGE	   4096ULL
#define SLOT_BYTES (SLOT_PAGES * PAGE)
#define NR_PLACES  (2 * NR_SLOTS) /* where a slot may be put; they touch */

enum memory_state {
	MEMORY_GONE, /* inaccessible */
	MEMORY_IN_USE,
	MEMORY_LEAVING, /* a callback is to come */
};

struct torture_slot {
	uint32_t number;
	enum memory_state state; /* the owner's, and the callback's */
	uint64_t life;
	uint64_t *words; /* SLOT_BYTES */
	struct kvm_userspace_memory_region region;
};

/* What happened, in torture.tallies. */
enum memslots_tally {
	MEM_LOOKUPS,
	MEM_COPIES,
	MEM_LISTS,
	MEM_HANDED_OVER,
	MEM_ADDED,
	MEM_REMOVED,
	MEM_REMOVED_ASYNC,
	MEM_MOVED,
	MEM_TRANSACTIONS,
	NR_MEM_TALLIES,
};

struct memslots_torture {
	unsigned long nr_readers, nr_writers;
};

extern struct memslots_torture memslots_torture;

enum memslots_actor_kind {
	MEM_COPIER,
	MEM_CHANGER,
	MEM_MAIN,
	NR_MEM_ACTORS,
};

extern struct bf_memslots *torture_map;
extern struct torture_slot torture_slots[NR_SLOTS];

static inline uint64_t slot_word(uint32_t number, uint64_t life)
{
	return 0x6265000000000000ULL | (uint64_t)number << 32 |
	       (life & 0xffffffff);
}

/* Threads: void *(*)(void *) of a number. */
void *copier_main(void *number);
void *slot_changer_main(void *number);
/* Ends the snapshots that nobody came for. */
void copier_drain(void);

#endif
