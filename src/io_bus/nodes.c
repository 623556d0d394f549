// SPDX-License-Identifier: MIT
#include "io_bus/nodes.h"
#include "base/util.h"

void bf_nodes_init(struct bf_nodes *nodes)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nodes->slab); i++)
		bf_slab_init(&nodes->slab[i], (i + 1) * BF_NODE_SIZE_STEP);
}

void bf_nodes_destroy(struct bf_nodes *nodes)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nodes->slab); i++)
		bf_slab_destroy(&nodes->slab[i]);
}

struct bf_node *bf_nodes_get(struct bf_nodes *nodes, size_t size)
{
	return bf_slab_get(&nodes->slab[(size - 1) / BF_NODE_SIZE_STEP]);
}

struct bf_node *bf_nodes_free(struct bf_node *list, size_t most)
{
	struct bf_node *next;

	for (; list && most; list = next, most--) {
		next = list->link;
		bf_slab_put(list);
	}
	return list;
}
