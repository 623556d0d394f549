/* SPDX-License-Identifier: MIT */
/*
 * A set of entries by 64-bit key, as a hash trie: five bits of the key's hash
 * choose among the 32 slots of a node, the next five among those of the node
 * below.  The hash is a bijection, so two keys never share all of it: the trie
 * is at most 13 nodes deep, and an entry with the right hash is the right one.
 *
 * Read under SRCU; changed by edits (edit.h).  A root or a slot is 0, an entry,
 * or, with BF_TRIE_NODE set, a node.
 *
 * Literature: Bagwell, "Ideal Hash Trees", EPFL 2001.
 */
#ifndef BF_IO_BUS_TRIE_H
#define BF_IO_BUS_TRIE_H

#include "io_bus/edit.h"

#define BF_TRIE_BITS  5
#define BF_TRIE_SLOTS (1 << BF_TRIE_BITS)

struct bf_trie_entry {
	uint64_t hash; /* bf_trie_hash() of its key */
};

#define BF_TRIE_NODE ((uintptr_t)1)

struct bf_trie_node {
	struct bf_node node;
	uintptr_t slot[BF_TRIE_SLOTS];
};

/*
 * Multiplies by the golden ratio twice, with the high half folded down in
 * between and at the end: each step can be undone, and all bits of the key
 * reach the low ones, which are used first.
 */
static inline uint64_t bf_trie_hash(uint64_t key)
{
	const uint64_t phi = 0x9e3779b97f4a7c15ULL;

	key *= phi;
	key ^= key >> 32;
	key *= phi;
	return key ^ key >> 32;
}

static inline struct bf_trie_node *bf_trie_node(uintptr_t slot)
{
	return (struct bf_trie_node *)(slot - BF_TRIE_NODE);
}

/* Consume: whoever finds an entry sees what embeds it. */
static inline struct bf_trie_entry *bf_trie_find(const uintptr_t *root,
						 uint64_t hash)
{
	uintptr_t slot = __atomic_load_n(root, __ATOMIC_CONSUME);
	struct bf_trie_entry *entry;
	uint64_t rest = hash;

	while (slot & BF_TRIE_NODE) {
		slot = __atomic_load_n(
			&bf_trie_node(slot)->slot[rest % BF_TRIE_SLOTS],
			__ATOMIC_CONSUME);
		rest >>= BF_TRIE_BITS;
	}
	entry = (struct bf_trie_entry *)slot;
	return entry && entry->hash == hash ? entry : NULL;
}

/* Adds an entry whose key is not there: 0, or -ENOMEM: abort the edit. */
int bf_trie_add(struct bf_edit *edit, uintptr_t *root,
		struct bf_trie_entry *entry);

/* Puts an entry where another of the same key is; 0 or -ENOMEM as above. */
int bf_trie_replace(struct bf_edit *edit, uintptr_t *root,
		    struct bf_trie_entry *entry);

/* Takes an entry out that is there; 0 or -ENOMEM as above. */
int bf_trie_remove(struct bf_edit *edit, uintptr_t *root, uint64_t hash);

/* The same in place, in a published trie: for want of memory. */
void bf_trie_clear(uintptr_t *root, uint64_t hash);

/* Any entry; NULL: there is none. */
struct bf_trie_entry *bf_trie_any(uintptr_t root);

/* Calls fn for each entry, in no order; stops at its first non-zero answer. */
int bf_trie_each(uintptr_t root,
		 int (*fn)(void *opaque, struct bf_trie_entry *entry),
		 void *opaque);

/* Frees the nodes, not the entries. */
void bf_trie_free(uintptr_t root);

#endif
