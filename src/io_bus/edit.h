/* SPDX-License-Identifier: MIT */
/*
 * Changing trees that others are reading.  A published node is never changed:
 * an edit copies the nodes on its way, changes the copies as often as it likes,
 * and hands them over by publishing a new root.  What it replaced is freed when
 * nobody reads it any more, or, if the edit is given up, stays.
 *
 * One exception, in both trees: a removal for which there is no memory clears
 * the pointer to its entry in place.  That store is relaxed: a reader gets the
 * entry or NULL, and follows NULL nowhere.
 */
#ifndef BF_IO_BUS_EDIT_H
#define BF_IO_BUS_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io_bus/nodes.h"

struct bf_edit {
	struct bf_nodes *nodes; /* where they come from */
	uint64_t stamp;		/* not 0, no other edit of these trees has it */
	struct bf_node *made;
	struct bf_node *replaced;
	bool dropped; /* one that it made */
};

static inline void bf_edit_begin(struct bf_edit *edit, struct bf_nodes *nodes,
				 uint64_t stamp)
{
	*edit = (struct bf_edit){.nodes = nodes, .stamp = stamp};
}

/* May the edit change the node as it is? */
static inline bool bf_edit_owns(const struct bf_edit *edit,
				const struct bf_node *node)
{
	return node->stamp == edit->stamp;
}

/* A node of size bytes, zeroed behind its head; NULL: no memory. */
void *bf_edit_make(struct bf_edit *edit, size_t size);

/* A copy, of which size bytes count, in place of the node, which is dropped. */
void *bf_edit_copy(struct bf_edit *edit, struct bf_node *node, size_t size);

/* The new trees do not have the node any more. */
void bf_edit_drop(struct bf_edit *edit, struct bf_node *node);

/* Published: returns what it replaced, to be freed after a grace period. */
struct bf_node *bf_edit_end(struct bf_edit *edit);

/* Not to be published: nothing has happened. */
void bf_edit_abort(struct bf_edit *edit);

#endif
