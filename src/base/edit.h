/* SPDX-License-Identifier: MIT */
/*
 * Copy-on-write changes of a tree that readers walk without a lock.
 *
 * A published node does not change.  An edit copies each node on its way once,
 * changes its copies as often as it likes, and the caller publishes the new
 * root.  The caller frees the replaced nodes after a grace period.  An edit
 * that is aborted frees its copies, and the published tree stays as it was.
 *
 * One exception: a removal that gets no memory clears an entry of a published
 * node in place; see bf_span_set_size() and bf_trie_clear().
 *
 * Nothing here locks.  The caller makes one edit of a tree at a time.
 */
#ifndef BF_BASE_EDIT_H
#define BF_BASE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The head of each node. */
struct bf_node {
	uint64_t stamp;	      /* of the edit that made it; 0: it was dropped */
	struct bf_node *link; /* in the list of made or of replaced nodes */
};

struct bf_edit {
	uint64_t stamp; /* not 0; no other edit of these trees has it */
	struct bf_node *made;
	struct bf_node *replaced;
	bool dropped; /* a node that this edit made */
};

static inline void bf_edit_begin(struct bf_edit *edit, uint64_t stamp)
{
	*edit = (struct bf_edit){.stamp = stamp};
}

/* Did this edit make the node, so that it may change the node? */
static inline bool bf_edit_owns(const struct bf_edit *edit,
				const struct bf_node *node)
{
	return node->stamp == edit->stamp;
}

/* A node of size bytes, undefined behind its head; NULL: no memory. */
void *bf_edit_alloc(struct bf_edit *edit, size_t size);

/* The same, zeroed behind its head. */
void *bf_edit_make(struct bf_edit *edit, size_t size);

/*
 * A node of size bytes with the first used bytes of another one, which the edit
 * drops; NULL: no memory.
 */
void *bf_edit_copy(struct bf_edit *edit, struct bf_node *node, size_t size,
		   size_t used);

/* Takes a node out: the new tree does not reach it. */
void bf_edit_drop(struct bf_edit *edit, struct bf_node *node);

/*
 * Ends an edit that was published, or will be.  Returns the replaced nodes, to
 * be freed after a grace period.
 */
struct bf_node *bf_edit_end(struct bf_edit *edit);

/* Frees all nodes that the edit made; no reader has seen them. */
void bf_edit_abort(struct bf_edit *edit);

/* Frees a list of nodes. */
void bf_nodes_free(struct bf_node *list);

#endif
