/* SPDX-License-Identifier: MIT */
/*
 * The slots of one address space, by guest page: a B+ tree whose published
 * nodes never change.  An edit copies the nodes from the root to where it
 * changes something, O(log n) of them, and gives a new root; who reads the old
 * one goes on undisturbed.  (One exception: a mapping may lose its pages where
 * it is, see clear.c.)  No lock and no system call in here.
 *
 * Pages are of 4 KiB, the smallest there are, whatever the host's are.  So a
 * page number has 52 bits, and UINT64_MAX is none.
 */
#ifndef BF_MEMSLOTS_TREE_H
#define BF_MEMSLOTS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BF_PAGE_SHIFT 12

/* Entries of a node: 256 and 512 bytes of keys.  The searches know them. */
#define BF_LEAF_MAX  32
#define BF_INNER_MAX 64

/* Where the pages of a slot are. */
struct bf_mapping {
	uint64_t pages; /* 0: the slot was removed in place */
	uint64_t hva;	/* of the first */
	uint32_t slot;
	uint32_t flags;
};

/*
 * For readers, beside whom clear.c may set it to 0.  What orders the two is
 * said there.
 */
static inline uint64_t bf_mapping_pages(const struct bf_mapping *mapping)
{
	return __atomic_load_n(&mapping->pages, __ATOMIC_RELAXED);
}

/*
 * keys[i] is the first page of entry i, in an inner node the smallest below
 * child i.  Behind the keys (those of a full node) stand the mappings or the
 * children.
 */
struct bf_slot_node {
	struct bf_slot_node *next; /* for the edit that makes or drops it */
	uint64_t stamp;		   /* of the edit that made it */
	uint16_t count;		   /* of entries */
	uint8_t level;		   /* 0: a leaf */
	bool dead;		   /* made and dropped by the same edit */
	/* UINT64_MAX from count on. */
	uint64_t keys[] __attribute__((aligned(64)));
};

/* Mappings of a leaf. */
static inline struct bf_mapping *
bf_slot_node_mappings(const struct bf_slot_node *leaf)
{
	return (struct bf_mapping *)(uintptr_t)(leaf->keys + BF_LEAF_MAX);
}

/* Children of an inner node. */
static inline struct bf_slot_node **
bf_slot_node_children(const struct bf_slot_node *inner)
{
	return (struct bf_slot_node **)(uintptr_t)(inner->keys + BF_INNER_MAX);
}

/*
 * The last entry whose key is at or below key, or 0 where there is none.  No
 * branch depends on the keys, nor on how many there are: those would be
 * mispredicted, which costs more than to search a full node each time.
 */
#define BF_NODE_STEP(half) pos += node->keys[pos + (half)] <= key ? (half) : 0

static inline size_t bf_leaf_search(const struct bf_slot_node *node,
				    uint64_t key)
{
	size_t pos = 0;

	BF_NODE_STEP(16);
	BF_NODE_STEP(8);
	BF_NODE_STEP(4);
	BF_NODE_STEP(2);
	BF_NODE_STEP(1);
	return pos;
}

static inline size_t bf_inner_search(const struct bf_slot_node *node,
				     uint64_t key)
{
	size_t pos = 0;

	BF_NODE_STEP(32);
	BF_NODE_STEP(16);
	BF_NODE_STEP(8);
	BF_NODE_STEP(4);
	BF_NODE_STEP(2);
	BF_NODE_STEP(1);
	return pos;
}

#undef BF_NODE_STEP

/*
 * The mapping that begins last at or below a page, and its first page; NULL
 * where there is none.  It may have no pages left.  root may be NULL, here and
 * below.
 */
static inline const struct bf_mapping *
bf_tree_floor(const struct bf_slot_node *root, uint64_t page, uint64_t *first)
{
	const struct bf_slot_node *node = root;
	size_t pos;

	if (!node)
		return NULL;
	while (node->level)
		node = bf_slot_node_children(node)[bf_inner_search(node, page)];
	pos = bf_leaf_search(node, page);
	*first = node->keys[pos];
	return node->keys[pos] <= page ? &bf_slot_node_mappings(node)[pos] :
					 NULL;
}

/* The mapping that holds a page, and its first page; NULL: none does. */
static inline const struct bf_mapping *
bf_tree_find(const struct bf_slot_node *root, uint64_t page, uint64_t *first)
{
	const struct bf_mapping *mapping = bf_tree_floor(root, page, first);

	return mapping && page - *first < bf_mapping_pages(mapping) ? mapping :
								      NULL;
}

/* The first mapping that holds a page or begins behind it. */
const struct bf_mapping *bf_tree_next(const struct bf_slot_node *root,
				      uint64_t page, uint64_t *first);

/* A change in the making. */
struct bf_slot_edit {
	uint64_t stamp;		    /* never used before, not 0 */
	struct bf_slot_node *fresh; /* what it made */
	struct bf_slot_node *stale; /* what it replaced */
};

/*
 * Adds a mapping of pages that have none, removes the one that begins at a
 * page, or changes its flags, in the tree at *root.  0 or -ENOMEM, whereupon
 * the edit can only be aborted.
 */
int bf_slot_edit_insert(struct bf_slot_edit *edit, struct bf_slot_node **root,
			uint64_t first, const struct bf_mapping *mapping);
int bf_slot_edit_remove(struct bf_slot_edit *edit, struct bf_slot_node **root,
			uint64_t first);
int bf_slot_edit_flags(struct bf_slot_edit *edit, struct bf_slot_node **root,
		       uint64_t first, uint32_t flags);

/*
 * The edit has been published, or will be: only what it dropped again is
 * freed.  What it replaced, edit->stale, is the caller's to free when nobody
 * reads it any more.
 */
void bf_slot_edit_commit(struct bf_slot_edit *edit);

/* Frees all that the edit made; what it replaced is as before. */
void bf_slot_edit_abort(struct bf_slot_edit *edit);

/* Frees a list of nodes, or a tree. */
void bf_slot_nodes_free(struct bf_slot_node *list);
void bf_tree_free(struct bf_slot_node *root);

#endif
