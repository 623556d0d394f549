// SPDX-License-Identifier: MIT
#include <string.h>

#include "io_bus/edit.h"

static void push(struct bf_node **list, struct bf_node *node)
{
	node->link = *list;
	*list = node;
}

static void *make(struct bf_edit *edit, size_t size)
{
	struct bf_node *node = bf_nodes_get(edit->nodes, size);

	if (!node)
		return NULL;
	node->stamp = edit->stamp;
	push(&edit->made, node);
	return node;
}

void *bf_edit_make(struct bf_edit *edit, size_t size)
{
	struct bf_node *node = make(edit, size);

	if (node)
		memset(node + 1, 0, size - sizeof(*node));
	return node;
}

void *bf_edit_copy(struct bf_edit *edit, struct bf_node *node, size_t size)
{
	struct bf_node *copy = make(edit, size);

	if (!copy)
		return NULL;
	memcpy(copy + 1, node + 1, size - sizeof(*node));
	bf_edit_drop(edit, node);
	return copy;
}

/* One of its own is on the list of those: it is marked, and freed at the end. */
void bf_edit_drop(struct bf_edit *edit, struct bf_node *node)
{
	if (!bf_edit_owns(edit, node)) {
		push(&edit->replaced, node);
		return;
	}
	node->stamp = 0;
	edit->dropped = true;
}

/* Takes those of its own that it dropped out of what it made. */
static struct bf_node *take_dropped(struct bf_edit *edit)
{
	struct bf_node *node, *next, *dropped = NULL;

	for (node = edit->made; node; node = next) {
		next = node->link;
		if (!node->stamp)
			push(&dropped, node);
	}
	return dropped;
}

struct bf_node *bf_edit_end(struct bf_edit *edit)
{
	if (edit->dropped)
		bf_nodes_free(take_dropped(edit), SIZE_MAX);
	return edit->replaced;
}

void bf_edit_abort(struct bf_edit *edit)
{
	bf_nodes_free(edit->made, SIZE_MAX);
}
