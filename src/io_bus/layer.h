/* SPDX-License-Identifier: MIT */
/*
 * Spans that may overlap: layers, each of them a tree of disjoint spans.  An
 * access searches one layer after the other.
 *
 * Layers are parts of a state.  An edit copies each layer that it changes and
 * the layers before it, as the nodes of a tree.
 */
#ifndef BF_IO_BUS_LAYER_H
#define BF_IO_BUS_LAYER_H

#include "base/span_tree.h"

/* The first layer is in the state itself; it alone may be empty, without next.
 */
struct bf_layer {
	struct bf_span_node *root;
	struct bf_layer_node *next; /* NULL: this is the last one */
};

struct bf_layer_node {
	struct bf_node node;
	struct bf_layer layer;
};

/* NULL: there is none. */
static inline const struct bf_layer *bf_layer_next(const struct bf_layer *layer)
{
	return layer->next ? &layer->next->layer : NULL;
}

/*
 * The layer that has so many before it, for the edit to change; NULL: no
 * memory, and the edit can only be aborted.
 */
struct bf_layer *bf_layer_own(struct bf_edit *edit, struct bf_layer *first,
			      unsigned int before);

/*
 * Inserts an empty layer that has so many before it: as bf_layer_own().  The
 * edit adds an entry to it.
 */
struct bf_layer *bf_layer_add(struct bf_edit *edit, struct bf_layer *first,
			      unsigned int before);

/* Takes out an empty layer that the edit owns. */
void bf_layer_drop(struct bf_edit *edit, struct bf_layer *first,
		   const struct bf_layer *empty);

/* Frees all layers, which no access can see: see bf_span_free(). */
void bf_layers_free(const struct bf_layer *first, bf_span_end_fn end);

#endif
