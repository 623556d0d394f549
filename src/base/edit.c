// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/edit.h"

static void *node_made(struct bf_edit *edit, struct bf_node *node)
{
	if (!node)
		return NULL;
	node->stamp = edit->stamp;
	LIST_INSERT_HEAD(&edit->made, node, link);
	return node;
}

void *bf_edit_alloc(struct bf_edit *edit, size_t size)
{
	return node_made(edit, malloc(size));
}

void *bf_edit_zalloc(struct bf_edit *edit, size_t size)
{
	return node_made(edit, calloc(1, size));
}

void *bf_edit_copy(struct bf_edit *edit, struct bf_node *node, size_t size,
		   size_t used)
{
	struct bf_node *copy = bf_edit_alloc(edit, size);

	if (!copy)
		return NULL;
	memcpy(copy + 1, node + 1, used - sizeof(*node));
	bf_edit_drop(edit, node);
	return copy;
}

void bf_edit_drop(struct bf_edit *edit, struct bf_node *node)
{
	if (bf_edit_owns(edit, node)) {
		LIST_REMOVE(node, link);
		free(node);
	} else {
		LIST_INSERT_HEAD(&edit->replaced, node, link);
	}
}

void bf_edit_abort(struct bf_edit *edit)
{
	bf_nodes_free(LIST_FIRST(&edit->made));
}

void bf_nodes_free(struct bf_node *list)
{
	struct bf_node *next;

	for (; list; list = next) {
		next = LIST_NEXT(list, link);
		free(list);
	}
}
