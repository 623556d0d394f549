/* SPDX-License-Identifier: MIT */
/*
 * Where the nodes of trees lie that are changed by edits (edit.h): in slabs,
 * one for each 16 bytes of size.  One thread at a time makes and frees them:
 * in a bus, who has locked it.
 */
#ifndef BF_IO_BUS_NODES_H
#define BF_IO_BUS_NODES_H

#include <stdint.h>

#include "base/slab.h"

/* What every node begins with. */
struct bf_node {
	uint64_t stamp;	      /* of the edit that made it; 0: it dropped it */
	struct bf_node *link; /* of the made ones, or of the replaced ones */
};

#define BF_NODE_SIZE_STEP 16

struct bf_nodes {
	struct bf_slab slab[BF_SLAB_MAX_SIZE / BF_NODE_SIZE_STEP];
};

void bf_nodes_init(struct bf_nodes *nodes);

/* With all nodes that are left. */
void bf_nodes_destroy(struct bf_nodes *nodes);

/* Of at most BF_SLAB_MAX_SIZE; what is in it is undefined; NULL: no memory. */
struct bf_node *bf_nodes_get(struct bf_nodes *nodes, size_t size);

/* Frees so many of a list, or all there are; returns the rest of it. */
struct bf_node *bf_nodes_free(struct bf_node *list, size_t most);

#endif
