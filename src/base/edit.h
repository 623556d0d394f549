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
 * node in place; see bf_span_set_size().
 *
 * Nothing here locks.  The caller makes one edit of a tree at a time.
 */
#ifndef BF_BASE_EDIT_H
#define BF_BASE_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* The head of each node. */
struct bf_node {
	uint64_t stamp;		  /* of the edit that made it */
	LIST_ENTRY(bf_node) link; /* of the made or of the replaced nodes */
};

LIST_HEAD(bf_nodes, bf_node);

struct bf_edit {
	uint64_t stamp; /* not 0; no other edit of these trees has it */
	struct bf_nodes made;
	struct bf_nodes replaced;
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
/* The same, zero behind its head. */
void *bf_edit_zalloc(struct bf_edit *edit, size_t size);

/*
 * A node of size bytes with the first used bytes of another one, which the edit
 * drops; NULL: no memory.
 */
void *bf_edit_copy(struct bf_edit *edit, struct bf_node *node, size_t size,
		   size_t used);

/* Takes out a node that the new tree does not reach. */
void bf_edit_drop(struct bf_edit *edit, struct bf_node *node);

/*
 * The replaced nodes of an edit that was published, or will be: to be freed
 * after a grace period.
 */
static inline struct bf_node *bf_edit_end(const struct bf_edit *edit)
{
	return LIST_FIRST(&edit->replaced);
}

/* Frees all nodes that the edit made; no reader has seen them. */
void bf_edit_abort(struct bf_edit *edit);

/* Frees a list of nodes. */
void bf_nodes_free(struct bf_node *list);

#endif
