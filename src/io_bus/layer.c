// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "io_bus/layer.h"

/* The layer behind one that the edit owns; NULL: no memory. */
static struct bf_layer *next_own(struct bf_edit *edit, struct bf_layer *layer)
{
	struct bf_layer_node *node = layer->next;

	if (!bf_edit_owns(edit, &node->node)) {
		node = bf_edit_copy(edit, &node->node, sizeof(*node),
				    sizeof(*node));
		if (!node)
			return NULL;
		layer->next = node;
	}
	return &node->layer;
}

struct bf_layer *bf_layer_own(struct bf_edit *edit, struct bf_layer *first,
			      unsigned int before)
{
	struct bf_layer *layer = first;

	while (before-- && layer)
		layer = next_own(edit, layer);
	return layer;
}

struct bf_layer *bf_layer_add(struct bf_edit *edit, struct bf_layer *first,
			      unsigned int before)
{
	struct bf_layer_node *node;
	struct bf_layer *above;

	if (!first->root)
		return first;
	node = bf_edit_alloc(edit, sizeof(*node));
	if (!node)
		return NULL;
	if (!before) {
		node->layer = *first;
		*first = (struct bf_layer){NULL, node};
		return first;
	}
	above = bf_layer_own(edit, first, before - 1);
	if (!above)
		return NULL;
	node->layer = (struct bf_layer){NULL, above->next};
	above->next = node;
	return &node->layer;
}

void bf_layer_drop(struct bf_edit *edit, struct bf_layer *first,
		   const struct bf_layer *empty)
{
	struct bf_layer_node *node = first->next;
	struct bf_layer *above = first;

	if (!node)
		return;
	if (first == empty) {
		*first = node->layer;
	} else {
		for (; &node->layer != empty; node = above->next)
			above = &node->layer;
		above->next = node->layer.next;
	}
	bf_edit_drop(edit, &node->node);
}

void bf_layers_free(const struct bf_layer *first, bf_span_end_fn end)
{
	struct bf_layer_node *node = first->next, *next;

	bf_span_free(first->root, end);
	for (; node; node = next) {
		next = node->layer.next;
		bf_span_free(node->layer.root, end);
		free(node);
	}
}
