/* SPDX-License-Identifier: MIT */
/*
 * Disjoint spans of a 64-bit space, in order: a B+tree.  Who looks for an
 * address compares a handful of words in each of few nodes, without a branch
 * that could be guessed wrong.
 *
 * Read under SRCU; changed by edits (edit.h).  The root is NULL while empty.
 *
 * Literature: Bayer and McCreight, "Organization and Maintenance of Large
 * Ordered Indices", Acta Informatica 1, 1972; Rodeh, "B-trees, Shadowing, and
 * Clones", ACM TOS 3(4), 2008.
 */
#ifndef BF_IO_BUS_SPAN_TREE_H
#define BF_IO_BUS_SPAN_TREE_H

#include "io_bus/edit.h"
#include "base/util.h"

#define BF_SPAN_FANOUT_BITS 4
#define BF_SPAN_FANOUT	    (1 << BF_SPAN_FANOUT_BITS)

/* Where an entry lies; both ends are inside. */
struct bf_span {
	uint64_t first;
	uint64_t last;
};

/*
 * ptr[i] is the entry at first[i], or the node whose first one is there; what
 * is behind count has the highest first.  Leaves have last[] too.
 */
struct bf_span_node {
	struct bf_node node;
	uint32_t count;
	uint32_t level; /* 0: a leaf */
	uint64_t first[BF_SPAN_FANOUT];
	void *ptr[BF_SPAN_FANOUT];
	uint64_t last[];
};

/* How many of the node begin at or before addr. */
static inline uint32_t bf_span_rank(const struct bf_span_node *node,
				    uint64_t addr)
{
	const uint64_t *first = node->first;
	uint32_t n = 4 * ((first[4] <= addr) + (first[8] <= addr) +
			  (first[12] <= addr));

	first += n;
	n += (first[0] <= addr) + (first[1] <= addr) + (first[2] <= addr) +
	     (first[3] <= addr);
	/* The highest address is also what is behind count. */
	return likely(addr != UINT64_MAX) ? n : node->count;
}

/* Where the last entry that begins at or before addr stands. */
struct bf_span_place {
	const struct bf_span_node *leaf; /* NULL: there is none */
	uint32_t index;
};

static inline struct bf_span_place
bf_span_place(const struct bf_span_node *node, uint64_t addr)
{
	uint32_t rank;

	if (!node || node->first[0] > addr)
		return (struct bf_span_place){NULL, 0};
	for (;;) {
		rank = bf_span_rank(node, addr);
		if (!node->level)
			return (struct bf_span_place){node, rank - 1};
		node = node->ptr[rank - 1];
	}
}

/*
 * The entry that contains all of [addr, addr + len), and where it lies; NULL:
 * there is none.  len is not 0.
 */
static inline void *bf_span_find(const struct bf_span_node *root, uint64_t addr,
				 uint64_t len, struct bf_span *span)
{
	struct bf_span_place place = bf_span_place(root, addr);

	if (!place.leaf)
		return NULL;
	span->last = place.leaf->last[place.index];
	/* Not addr + len: that may wrap. */
	if (addr > span->last || len - 1 > span->last - addr)
		return NULL;
	span->first = place.leaf->first[place.index];
	/* Cleared in place by a removal without memory, perhaps. */
	return __atomic_load_n(&place.leaf->ptr[place.index], __ATOMIC_CONSUME);
}

/* An entry that overlaps the span; NULL: there is none.  Not for readers. */
void *bf_span_overlap(const struct bf_span_node *root, struct bf_span span);

/* Adds an entry that overlaps no other: 0, or -ENOMEM: abort the edit. */
int bf_span_add(struct bf_edit *edit, struct bf_span_node **root,
		struct bf_span span, void *entry);

/* Takes the entry at first out: 0, or -ENOMEM: abort the edit. */
int bf_span_remove(struct bf_edit *edit, struct bf_span_node **root,
		   uint64_t first);

/* The same in place, in a published tree: for want of memory. */
void bf_span_clear(struct bf_span_node *root, uint64_t first);

/* Calls fn for each entry in order; stops at its first non-zero answer. */
int bf_span_each(const struct bf_span_node *root,
		 int (*fn)(void *opaque, struct bf_span span, void *entry),
		 void *opaque);

#endif
