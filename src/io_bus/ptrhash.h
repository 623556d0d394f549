/* SPDX-License-Identifier: MIT */
/*
 * A hash table of pointers, open addressing, read under SRCU: lookups take no
 * lock and never wait; one updater at a time, under a lock of its own.
 *
 * An element embeds a struct bf_ptrhash_entry; it must stay valid for a grace
 * period after its removal.
 */
#ifndef BF_IO_BUS_PTRHASH_H
#define BF_IO_BUS_PTRHASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belfry/srcu.h"

struct bf_io_bus;

struct bf_ptrhash_entry {
	uint64_t hash;
};

struct bf_ptrhash_table {
	struct srcu_head head;
	size_t mask; /* slots - 1, a power of two less one */
	struct bf_ptrhash_entry *slots[];
};

struct bf_ptrhash {
	struct bf_ptrhash_table *table; /* published; NULL while empty */
	size_t live;			/* entries */
	size_t used;			/* entries and graves */
};

typedef bool (*bf_ptrhash_match_fn)(const struct bf_ptrhash_entry *entry,
				    const void *key);

/* Where an entry was: a lookup goes on past it. */
#define BF_PTRHASH_GRAVE ((struct bf_ptrhash_entry *)1)

/*
 * Multiplicative hashing by the golden ratio, twice, with the high half folded
 * down in between: the low bits, which select the slot, depend on all of x.
 */
static inline uint64_t bf_hash_mix(uint64_t x)
{
	const uint64_t phi = 0x9e3779b97f4a7c15ULL;

	x *= phi;
	x ^= x >> 32;
	x *= phi;
	return x ^ x >> 32;
}

/* Inside a section, or with the update lock held. */
static inline struct bf_ptrhash_entry *
bf_ptrhash_find(const struct bf_ptrhash *hash, uint64_t value,
		bf_ptrhash_match_fn match, const void *key)
{
	const struct bf_ptrhash_table *table =
		__atomic_load_n(&hash->table, __ATOMIC_CONSUME);
	struct bf_ptrhash_entry *entry;
	size_t i;

	if (!table)
		return NULL;
	/* Ends: at most half of the slots are in use. */
	for (i = value & table->mask;; i = (i + 1) & table->mask) {
		entry = __atomic_load_n(&table->slots[i], __ATOMIC_CONSUME);
		if (!entry)
			return NULL;
		if (entry != BF_PTRHASH_GRAVE && entry->hash == value &&
		    match(entry, key))
			return entry;
	}
}

/*
 * Makes room for one more: 0, or -ENOMEM with nothing changed.  An outgrown
 * table is freed when nobody reads it any more.
 */
int bf_ptrhash_reserve(struct bf_ptrhash *hash, struct bf_io_bus *bus);

/* After a reservation; cannot fail. */
void bf_ptrhash_insert(struct bf_ptrhash *hash, struct bf_ptrhash_entry *entry);

/* Cannot fail; the entry must be in the table. */
void bf_ptrhash_remove(struct bf_ptrhash *hash, struct bf_ptrhash_entry *entry);

/* Calls fn for each entry; nobody else uses the table; then frees it. */
void bf_ptrhash_destroy(struct bf_ptrhash *hash,
			void (*fn)(struct bf_ptrhash_entry *entry));

#endif
