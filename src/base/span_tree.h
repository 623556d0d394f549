/* SPDX-License-Identifier: MIT */
/*
 * Disjoint spans of a 64-bit space, in order of their addresses: a
 * copy-on-write B+ tree.  Readers walk it under SRCU; edits (edit.h) change it.
 * A tree is its root, NULL while it is empty.
 *
 * A search has no branch that depends on the keys: random addresses would
 * mispredict it, which costs more than the comparisons that it saves.  It makes
 * six comparisons in each node, in two rounds of three, and chooses between
 * addresses of keys: sums of the results took it longer.  Measured with 16 to
 * 32,000 spans, neither a wider node nor comparing all keys was faster at each
 * size, and each change copies a node of each level.  A leaf holds the entries
 * themselves, so that a lookup reads no other memory.
 *
 * Literature: Bayer and McCreight, "Organization and Maintenance of Large
 * Ordered Indices", Acta Informatica 1, 1972; Rodeh, "B-trees, Shadowing, and
 * Clones", ACM TOS 3(4), 2008; Johnson and Shasha, "B-trees with Inserts and
 * Deletes: Why Free-at-empty Is Better Than Merge-at-half", JCSS 47(1), 1993.
 */
#ifndef BF_BASE_SPAN_TREE_H
#define BF_BASE_SPAN_TREE_H

#include "base/edit.h"
#include "base/util.h"

#define BF_SPAN_FANOUT 16

/*
 * From this level of the root on, most leaves are not in the caches.  In a
 * lower tree the prefetch evicts more than it brings.
 */
#define BF_SPAN_HIGH 4

/* Both ends are inside. */
struct bf_span {
	uint64_t first;
	uint64_t last;
};

/*
 * The head of the caller's entry for a span.  All entries of a tree have
 * one size, which the caller passes: a multiple of 8.
 */
struct bf_span_entry {
	/*
	 * Of the span, in addresses; 0: the entry was removed in place, and
	 * stays in the tree until an addition takes its addresses.
	 */
	uint64_t size;
};

/*
 * first[i] is the first address of entry i, or of the tree below child i;
 * UINT64_MAX from count on.  Behind the keys are the entries of a leaf, or the
 * children of an inner node.
 */
struct bf_span_node {
	struct bf_node node;
	uint16_t count;
	uint16_t level; /* 0: a leaf */
	uint32_t entry_size;
	uint64_t first[BF_SPAN_FANOUT];
	uint64_t items[];
};

static inline struct bf_span_node **
bf_span_children(const struct bf_span_node *inner)
{
	return (struct bf_span_node **)(uintptr_t)inner->items;
}

static inline struct bf_span_entry *
bf_span_entry(const struct bf_span_node *leaf, size_t entry_size, size_t i)
{
	char *entries = (char *)(uintptr_t)leaf->items;

	return (struct bf_span_entry *)(void *)(entries + i * entry_size);
}

/* Relaxed: see bf_span_set_size(). */
static inline uint64_t bf_span_size(const struct bf_span_entry *entry)
{
	return __atomic_load_n(&entry->size, __ATOMIC_RELAXED);
}

/*
 * A conditional move.  The compiler does not see that both are parts of one
 * node, for which it would branch.
 */
static inline const uint64_t *bf_span_choose(bool higher, const uint64_t *low,
					     const uint64_t *high)
{
	__asm__("" : "+r"(low), "+r"(high));
	return higher ? high : low;
}

/*
 * The last key at or below addr, or the first one where all are above it.  addr
 * is not UINT64_MAX, which is also the key of each unused place.
 */
static inline const uint64_t *bf_span_key(const struct bf_span_node *node,
					  uint64_t addr)
{
	const uint64_t *key = node->first, *low, *high;

	low = bf_span_choose(key[4] <= addr, key, key + 4);
	high = bf_span_choose(key[12] <= addr, key + 8, key + 12);
	key = bf_span_choose(key[8] <= addr, low, high);
	low = bf_span_choose(key[1] <= addr, key, key + 1);
	high = bf_span_choose(key[3] <= addr, key + 2, key + 3);
	return bf_span_choose(key[2] <= addr, low, high);
}

/* The child of a key: as many words behind it as a node has keys. */
static inline struct bf_span_node *bf_span_child(const uint64_t *key)
{
	return *(struct bf_span_node **)(uintptr_t)(key + BF_SPAN_FANOUT);
}

/* The entries of a leaf come from memory while its keys do. */
static inline void bf_span_prefetch(const struct bf_span_node *leaf,
				    size_t entry_size)
{
	const char *entries = (const char *)leaf->items;
	size_t i;

	for (i = 0; i < BF_SPAN_FANOUT * entry_size; i += 64)
		__builtin_prefetch(entries + i);
}

/* An entry of a leaf, by its key. */
struct bf_span_place {
	const struct bf_span_node *leaf;
	const uint64_t *key;
};

static inline struct bf_span_entry *bf_span_at(struct bf_span_place place,
					       size_t entry_size)
{
	return bf_span_entry(place.leaf, entry_size,
			     (size_t)(place.key - place.leaf->first));
}

/* The last entry of a tree that is not empty. */
struct bf_span_place bf_span_last(const struct bf_span_node *root);

/*
 * The entry that begins last at or below addr, or the first entry where all
 * begin above it.  The tree is not empty.
 */
static inline __attribute__((always_inline)) struct bf_span_place
bf_span_seek(const struct bf_span_node *root, size_t entry_size, uint64_t addr)
{
	const struct bf_span_node *node = root;
	unsigned int level;

	if (unlikely(addr == UINT64_MAX))
		return bf_span_last(root);
	for (level = root->level; level; level--)
		node = bf_span_child(bf_span_key(node, addr));
	if (root->level >= BF_SPAN_HIGH)
		bf_span_prefetch(node, entry_size);
	return (struct bf_span_place){node, bf_span_key(node, addr)};
}

/* An entry that was found, and where in its span an address is. */
struct bf_span_hit {
	struct bf_span_entry *entry; /* NULL: none was found */
	uint64_t offset;
	uint64_t size; /* of the span; loaded once */
};

/* The entry that contains len addresses from addr on; len is not 0. */
static inline __attribute__((always_inline)) struct bf_span_hit
bf_span_find(const struct bf_span_node *root, size_t entry_size, uint64_t addr,
	     uint64_t len)
{
	struct bf_span_hit hit = {NULL, 0, 0};
	struct bf_span_place place;

	if (!root)
		return hit;
	place = bf_span_seek(root, entry_size, addr);
	hit.entry = bf_span_at(place, entry_size);
	hit.offset = addr - *place.key;
	hit.size = bf_span_size(hit.entry);
	/*
	 * Without a sum of offset and length, which may wrap.  Below the first
	 * address the offset wraps, to more than any size.
	 */
	if (hit.offset >= hit.size || len > hit.size - hit.offset)
		hit.entry = NULL;
	return hit;
}

/*
 * The first entry that contains addr or begins behind it, and its span; NULL:
 * there is none.  Leaves out entries that were removed in place.
 */
struct bf_span_entry *bf_span_next(const struct bf_span_node *root,
				   uint64_t addr, struct bf_span *span);

/*
 * Adds a copy of an entry at a span, and sets its size.  Returns 0; -EEXIST:
 * *existing overlaps the span, of several that entry which begins last; or
 * -ENOMEM.  After an error the edit can only be aborted.
 */
int bf_span_add(struct bf_edit *edit, struct bf_span_node **root,
		struct bf_span span, const struct bf_span_entry *entry,
		size_t entry_size, struct bf_span_entry **existing);

/*
 * Removes the entry at first, which is there.  Returns 0, or -ENOMEM: the edit
 * can only be aborted.
 */
int bf_span_remove(struct bf_edit *edit, struct bf_span_node **root,
		   uint64_t first);

/*
 * The entry at first, which is there, for the edit to change all of it but its
 * size; NULL: no memory, and the edit can only be aborted.
 */
struct bf_span_entry *bf_span_own(struct bf_edit *edit,
				  struct bf_span_node **root, uint64_t first);

/*
 * Sets the size of the entry at first, which is there, in a published tree: to
 * 0 for a removal that gets no memory, and back where that removal fails.
 *
 * Relaxed: the caller of a removal waits for a grace period, the fence of which
 * orders the store before the scan of the readers.  A reader that begins later
 * loads 0; without the grace period it may load the old size.
 */
void bf_span_set_size(struct bf_span_node *root, uint64_t first, uint64_t size);

/* The entry behind a span of the tree, and its span; NULL: there is none. */
static inline struct bf_span_entry *
bf_span_behind(const struct bf_span_node *root, struct bf_span *span)
{
	return span->last == UINT64_MAX ?
		       NULL :
		       bf_span_next(root, span->last + 1, span);
}

/* For each entry that was not removed in place, in order. */
#define bf_span_for_each(entry, root, span)                        \
	for ((entry) = bf_span_next(root, 0, span); entry != NULL; \
	     (entry) = bf_span_behind(root, span))

typedef void (*bf_span_end_fn)(struct bf_span_entry *entry);

/*
 * Frees a tree that no reader sees.  Calls end, unless that is NULL, for each
 * entry that was not removed in place.
 */
void bf_span_free(struct bf_span_node *root, bf_span_end_fn end);

#endif
