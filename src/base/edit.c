// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/edit.h"

static void node_push(struct bf_node **list, struct bf_node *node)
{
	node->link = *list;
	*list = node;
}

void *bf_edit_alloc(struct bf_edit *edit, size_t size)
{
	struct bf_node *node = malloc(size);

	if (!node)
		return NULL;
	node->stamp = edit->stamp;
	node_push(&edit->made, node);
	return node;
}

void *bf_edit_make(struct bf_edit *edit, size_t size)
{
	struct bf_node *node = bf_edit_alloc(edit, size);

	if (node)
		memset(node + 1, 0, size - sizeof(*node));
	return node;
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

/* A node of this edit stays in the list of made nodes until the edit ends. */
void bf_edit_drop(struct bf_edit *edit, struct bf_node *node)
{
	if (!bf_edit_owns(edit, node)) {
		node_push(&edit->replaced, node);
		return;
	}
	node->stamp = 0;
	edit->dropped = true;
}

static void free_dropped(struct bf_node *made)
{
	struct bf_node *node, *next;

	for (node = made; node; node = next) {
		next = node->link;
		if (!node->stamp)
			free(node);
	}
}

struct bf_node *bf_edit_end(struct bf_edit *edit)
{
	if (edit->dropped)
		free_dropped(edit->made);
	return edit->replaced;
}

void bf_edit_abort(struct bf_edit *edit)
{
	bf_nodes_free(edit->made);
}

void bf_nodes_free(struct bf_node *list)
{
	struct bf_node *next;

	for (; list; list = next) {
		next = list->link;
		free(list);
	}
}
