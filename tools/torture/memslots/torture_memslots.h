/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the files of `belfry torture memslots` share.
 *
 * Each slot has memory of its own.  Every word names the slot and the
 * generation of its memory, except one word that counts writes.  Each device
 * has one word in each slot.  Only that device writes the word, and it writes
 * the value that is already there.  After each write the device increments the
 * count in the slot and a second count in struct torture_slot.
 *
 * When a removal is complete, all words must be right and the two counts equal.
 * The updater then makes the memory inaccessible, so a later access faults.
 * When it adds the slot again, the memory gets a new generation, so a device
 * that uses an old snapshot reads, or leaves, a wrong word.
 */
#ifndef BF_CLI_TORTURE_MEMSLOTS_H
#define BF_CLI_TORTURE_MEMSLOTS_H

#include <stdbool.h>

#include "belfry/memslots.h"
#include "tools/torture/common/thread.h"

/* The page size of this kernel, in bytes; slots are of whole pages. */
extern uint64_t torture_page;

/* New memory that begins at a page; ends the process if there is none. */
uint64_t *map_pages(uint64_t bytes, int prot);

#define NR_SLOTS   128
#define SLOT_PAGES 2
#define SLOT_BYTES (SLOT_PAGES * torture_page)
#define NR_WORDS   (SLOT_BYTES / 8)
#define NR_PLACES  (2 * NR_SLOTS) /* adjacent guest addresses for slots */

/* In the middle of a slot, so that copies may cross from slot to slot. */
#define DEVICE_WORD 400
#define COUNT_WORD  (DEVICE_WORD + MAX_THREADS)

/* One slot of so many is read-only.  No device may write to it. */
#define READONLY_EVERY 16

enum memory_state {
	MEMORY_REMOVED, /* inaccessible */
	MEMORY_IN_USE,
	MEMORY_REMOVING, /* until the callback */
};

struct torture_slot {
	uint32_t number;
	enum memory_state state; /* written by its updater and callback */
	uint64_t generation;
	uint64_t *words; /* SLOT_BYTES */
	uint64_t writes; /* in this generation, atomic */
	struct kvm_userspace_memory_region region;
};

/* Indices of torture.tallies. */
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
	MEM_LOGGED,
	MEM_LOGS,
	MEM_MIGRATIONS,
	NR_MEM_TALLIES,
};

struct memslots_torture {
	unsigned long nr_readers, nr_writers;
};

extern struct memslots_torture memslots_torture;

enum memslots_thread_kind {
	MEM_DEVICE,
	MEM_UPDATER,
	MEM_MIGRATION,
	MEM_MAIN,
	NR_MEM_THREADS,
};

extern struct bf_memslots *torture_map;
extern struct torture_slot torture_slots[NR_SLOTS];

#define SLOT_TAG  0x6265ULL
#define COUNT_TAG 0x636fULL

static inline uint64_t slot_word(uint32_t number, uint64_t generation)
{
	return SLOT_TAG << 48 | (uint64_t)number << 32 |
	       (generation & 0xffffffff);
}

static inline uint32_t number_of_word(uint64_t word)
{
	return word >> 32 & 0xffff;
}

static inline bool is_readonly(uint32_t number)
{
	return !(number % READONLY_EVERY);
}

/* Thread functions; the argument is the thread's number. */
void *device_main(void *number);
void *updater_main(void *number);
void *migration_main(void *number);

/* Makes the slot that logs. */
void logged_init(void);
/* A device writes to it. */
void write_logged(struct torture_thread *self);

/* Ends the snapshots that are left in the mailboxes. */
void drain_mailboxes(void);

#endif
