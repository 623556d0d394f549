/* SPDX-License-Identifier: MIT */
/*
 * A set of entries by 64-bit key, as a hash trie: six bits of the key's hash
 * choose among the 64 slots of a node, the next six among those of the node
 * below.  Below the first, entries share a leaf until there are more than 32;
 * so the nodes are few, and near the CPU, where the entries are many.
 *
 * The hash is a bijection: an entry with the right hash is the right one, and
 * as no 33 hashes agree in 60 bits, there are at most ten nodes on a way.
 *
 * Read under SRCU; changed by edits (base/edit.h).  A root or a slot is 0, an
 * entry, a leaf or a node.
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
#define BF_TRIE_LEAVES 32 /* entries of a leaf, at most */

struct bf_trie_entry {
	uint64_t hash; /* bf_trie_hash() of its key */
};

/* What the low bits of a slot say of it. */
#define BF_TRIE_NODE ((uintptr_t)1)
#define BF_TRIE_LEAF ((uintptr_t)2)

struct bf_trie_node {
	struct bf_node node;
	size_t count; /* of entries below */
	uintptr_t slot[BF_TRIE_SLOTS];
};

/* In no order.  An entry is not looked at unless its tag is equal. */
struct bf_trie_leaf {
	struct bf_node node;
	uint32_t count;
	uint32_t room;
	uint8_t tag[BF_TRIE_LEAVES];   /* 0: not in use */
	struct bf_trie_entry *entry[]; /* NULL: cleared in place */
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

/* The key of a hash: the same steps back. */
static inline uint64_t bf_trie_key(uint64_t hash)
{
	const uint64_t phi_inverse = 0xf1de83e19937733dULL;

	hash ^= hash >> 32;
	hash *= phi_inverse;
	hash ^= hash >> 32;
	return hash * phi_inverse;
}

/* Of the last bits that nodes would look at; not 0. */
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
 * Where the entry of that hash is; BF_TRIE_LEAVES: nowhere.  Consume: whoever
 * finds an entry sees what embeds it.
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

/* Consume, as above. */
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

/* Frees the nodes and leaves of a trie that no reader sees; not the entries. */
void bf_trie_free(uintptr_t root);

#endif
