/* SPDX-License-Identifier: MIT */
/*
 * A set of entries by 64-bit key: a hash trie.  Six bits of the key's hash
 * choose one of the 64 slots of a node, the next six one of those of the node
 * below.  From the third level on, up to 32 entries share a leaf, so that nodes
 * stay few, and in the cache, where entries are many.
 *
 * The hash is a bijection: different keys have different hashes, so a search
 * compares hashes alone.  No 33 hashes agree in 60 bits, so a search visits at
 * most ten nodes, whatever the keys.
 *
 * Readers search under SRCU; edits (base/edit.h) change the trie.  A root or a
 * slot is 0, an entry, a leaf or a node.
 *
 * Literature: Bagwell, "Ideal Hash Trees", EPFL 2001; Litwin, "Trie Hashing",
 * SIGMOD 1981.
 */
#ifndef BF_IO_BUS_TRIE_H
#define BF_IO_BUS_TRIE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/edit.h"

#define BF_TRIE_BITS   6
#define BF_TRIE_SLOTS  (1 << BF_TRIE_BITS)
#define BF_TRIE_LEAVES 32 /* most entries of a leaf */

struct bf_trie_entry {
	uint64_t hash; /* bf_trie_hash() of the key */
};

/* The low bits of a slot that is a node or a leaf. */
#define BF_TRIE_NODE ((uintptr_t)1)
#define BF_TRIE_LEAF ((uintptr_t)2)

struct bf_trie_node {
	struct bf_node node;
	size_t count; /* of entries below */
	uintptr_t slot[BF_TRIE_SLOTS];
};

/* Unordered.  A search reads an entry only if the tag is equal. */
struct bf_trie_leaf {
	struct bf_node node;
	uint32_t count;
	uint32_t room;
	uint8_t tag[BF_TRIE_LEAVES];   /* 0: unused */
	struct bf_trie_entry *entry[]; /* NULL: cleared in place */
};

/*
 * Multiplies by the golden ratio twice and folds the high half onto the low one
 * after each.  Each step has an inverse, and every bit of the key reaches the
 * low bits, which choose the slots of the first nodes.
 */
static inline uint64_t bf_trie_hash(uint64_t key)
{
	const uint64_t phi = 0x9e3779b97f4a7c15ULL;

	key *= phi;
	key ^= key >> 32;
	key *= phi;
	return key ^ key >> 32;
}

/* The key of a hash: the inverse steps. */
static inline uint64_t bf_trie_key(uint64_t hash)
{
	const uint64_t phi_inverse = 0xf1de83e19937733dULL;

	hash ^= hash >> 32;
	hash *= phi_inverse;
	hash ^= hash >> 32;
	return hash * phi_inverse;
}

/* The bits that the last nodes would use; not 0. */
static inline uint8_t bf_trie_tag(uint64_t hash)
{
	return (uint8_t)(hash >> 56) | 1;
}

static inline struct bf_trie_node *bf_trie_node(uintptr_t slot)
{
	return (struct bf_trie_node *)(slot - BF_TRIE_NODE);
}

static inline struct bf_trie_leaf *bf_trie_leaf(uintptr_t slot)
{
	return (struct bf_trie_leaf *)(slot - BF_TRIE_LEAF);
}

/* A bit for each tag that is equal. */
static inline uint32_t bf_trie_equal_tags(const struct bf_trie_leaf *leaf,
					  uint8_t tag)
{
#ifdef __SSE2__
	const __m128i *tags = (const void *)leaf->tag;
	const __m128i wanted = _mm_set1_epi8((char)tag);
	const __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128(tags), wanted);
	const __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128(tags + 1), wanted);

	return (uint32_t)_mm_movemask_epi8(low) |
	       (uint32_t)_mm_movemask_epi8(high) << 16;
#else
	uint32_t equal = 0;
	unsigned int i;

	for (i = 0; i < BF_TRIE_LEAVES; i++)
		equal |= (uint32_t)(leaf->tag[i] == tag) << i;
	return equal;
#endif
}

/*
 * The index of the entry with a hash; BF_TRIE_LEAVES: there is none.  Consume:
 * the loads of the entry's fields come after the load of the pointer.
 */
static inline unsigned int bf_trie_index(const struct bf_trie_leaf *leaf,
					 uint64_t hash,
					 struct bf_trie_entry **entry)
{
	uint32_t equal = bf_trie_equal_tags(leaf, bf_trie_tag(hash));
	unsigned int i;

	for (; equal; equal &= equal - 1) {
		i = (unsigned int)__builtin_ctz(equal);
		*entry = __atomic_load_n(&leaf->entry[i], __ATOMIC_CONSUME);
		if (*entry && (*entry)->hash == hash)
			return i;
	}
	*entry = NULL;
	return BF_TRIE_LEAVES;
}

/* The entry with a hash, or NULL.  Consume, as above. */
static inline struct bf_trie_entry *bf_trie_find(const uintptr_t *root,
						 uint64_t hash)
{
	uintptr_t slot = __atomic_load_n(root, __ATOMIC_CONSUME);
	struct bf_trie_entry *entry;
	uint64_t rest = hash;

	for (; slot & BF_TRIE_NODE; rest >>= BF_TRIE_BITS)
		slot = __atomic_load_n(
			&bf_trie_node(slot)->slot[rest % BF_TRIE_SLOTS],
			__ATOMIC_CONSUME);
	if (slot & BF_TRIE_LEAF) {
		bf_trie_index(bf_trie_leaf(slot), hash, &entry);
		return entry;
	}
	entry = (struct bf_trie_entry *)slot;
	return entry && entry->hash == hash ? entry : NULL;
}

/* Adds an entry with a new key: 0, or -ENOMEM: the edit can only be aborted. */
int bf_trie_add(struct bf_edit *edit, uintptr_t *root,
		struct bf_trie_entry *entry);

/* Replaces the entry with the same key: 0, or -ENOMEM as above. */
int bf_trie_replace(struct bf_edit *edit, uintptr_t *root,
		    struct bf_trie_entry *entry);

/* Removes an entry that is in the trie: 0, or -ENOMEM as above. */
int bf_trie_remove(struct bf_edit *edit, uintptr_t *root, uint64_t hash);

/*
 * Clears an entry of a published trie in place, for a removal that gets no
 * memory.
 *
 * Relaxed: the caller waits for a grace period, the fence of which orders the
 * store before the scan of the readers.  A reader that begins later loads NULL.
 */
void bf_trie_clear(uintptr_t *root, uint64_t hash);

/* Some entry; NULL: the trie is empty. */
struct bf_trie_entry *bf_trie_any(uintptr_t root);

/* Calls fn for each entry, unordered, until it returns other than 0. */
int bf_trie_each(uintptr_t root,
		 int (*fn)(void *opaque, struct bf_trie_entry *entry),
		 void *opaque);

/*
 * Frees the nodes and leaves of a trie that no reader sees, and passes each
 * entry to fn, which may free it.
 */
void bf_trie_destroy(uintptr_t root, void (*fn)(struct bf_trie_entry *entry));

#endif
