// SPDX-License-Identifier: MIT
/* Reading a tree beyond a single page, and freeing it. */
#include <stdlib.h>

#include "memslots/tree.h"

/* The first entry of the leaf that is leftmost below a node. */
static const struct bf_mapping *first_below(const struct bf_slot_node *node,
					    uint64_t *first)
{
	while (node->level)
		node = bf_slot_node_children(node)[0];
	*first = node->keys[0];
	return bf_slot_node_mappings(node);
}

/* The first mapping that begins behind a page. */
static const struct bf_mapping *first_after(const struct bf_slot_node *node,
					    uint64_t page, uint64_t *first)
{
	const struct bf_slot_node *right = NULL;
	size_t pos;

	for (; node->level; node = bf_slot_node_children(node)[pos]) {
		pos = bf_inner_search(node, page);
		if (pos + 1 < node->count)
			right = bf_slot_node_children(node)[pos + 1];
	}
	pos = bf_leaf_search(node, page);
	if (node->keys[pos] <= page)
		pos++;
	if (pos == node->count)
		return right ? first_below(right, first) : NULL;
	*first = node->keys[pos];
	return &bf_slot_node_mappings(node)[pos];
}

const struct bf_mapping *bf_tree_next(const struct bf_slot_node *root,
				      uint64_t page, uint64_t *first)
{
	const struct bf_mapping *mapping = bf_tree_find(root, page, first);

	if (mapping || !root)
		return mapping;
	do {
		mapping = first_after(root, page, first);
		page = *first;
	} while (mapping && !bf_mapping_pages(mapping));
	return mapping;
}

void bf_slot_nodes_free(struct bf_slot_node *list)
{
	struct bf_slot_node *node;

	while ((node = list)) {
		list = node->next;
		free(node);
	}
}

/* As deep as the tree is high. */
void bf_tree_free(struct bf_slot_node *root)
{
	unsigned int i;

	if (!root)
		return;
	for (i = 0; root->level && i < root->count; i++)
		bf_tree_free(bf_slot_node_children(root)[i]);
	free(root);
}
