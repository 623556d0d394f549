/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `belfry torture memslots` share.
 *
 * Each slot has memory of its own, every word of which says whose it is and in
 * which of its lives, but for one that counts.  Each device has a word in each
 * slot that it alone writes: what is there already, if it writes where it means
 * to; and it adds to the count and to one beside the memory.  When a removal is
 * complete all words must be right and the counts equal, and the memory is made
 * inaccessible, so whoever still uses it is caught by a fault; before the slot
 * is added again it gets a new life, so whoever mixes up two is caught by what
 * he reads, or wrote.
 */
#ifndef BF_CLI_TORTURE_MEMSLOTS_H
#define BF_CLI_TORTURE_MEMSLOTS_H

#include "belfry/memslots.h"
#include "tools/torture/common/actor.h"

#define NR_SLOTS   128
#define SLOT_PAGES 2
#define PAGE	   4096ULL
#define SLOT_BYTES (SLOT_PAGES * PAGE)
#define NR_WORDS   (SLOT_BYTES / 8)
#define NR_PLACES  (2 * NR_SLOTS) /* where a slot may be put; they touch */

/* In the middle, so that what others copy may cross from slot to slot. */
#define DEVICE_WORD 400
#define COUNT_WORD  (DEVICE_WORD + MAX_THREADS)

/* Every so many are read-only; nobody ever writes there. */
#define READONLY_EVERY 16

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
	uint64_t writes; /* of this life, atomic */
	struct kvm_userspace_memory_region region;
};

/* What happened, in torture.tallies. */
enum memslots_tally {
	MEM_LOOKUPS,
	MEM_COPIES,
	MEM_LISTS,
	MEM_WRITES,
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

#define SLOT_TAG  0x6265ULL
#define COUNT_TAG 0x636fULL

static inline uint64_t slot_word(uint32_t number, uint64_t life)
{
	return SLOT_TAG << 48 | (uint64_t)number << 32 | (life & 0xffffffff);
}

static inline uint32_t number_of_word(uint64_t word)
{
	return word >> 32 & 0xffff;
}

static inline bool is_readonly(uint32_t number)
{
	return !(number % READONLY_EVERY);
}

/* Threads: void *(*)(void *) of a number. */
void *copier_main(void *number);
void *slot_changer_main(void *number);
/* Ends the snapshots that nobody came for. */
void copier_drain(void);

#endif
