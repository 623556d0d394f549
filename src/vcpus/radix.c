// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "vcpus/radix.h"

static struct bf_radix_node *node_alloc(unsigned int shift)
{
	struct bf_radix_node *node = calloc(1, sizeof(*node));

	if (node)
		node->shift = shift;
	return node;
}

static int tree_grow(struct bf_radix *tree)
{
	struct bf_radix_node *root = tree->root;
	struct bf_radix_node *node =
		node_alloc(root ? root->shift + BF_RADIX_BITS : 0);

	if (!node)
		return -ENOMEM;
	node->slots[0] = root;
	/*
	 * Release: orders the stores to the node's shift and slots before the
	 * store of the root.  Pairs with the acquire in bf_radix_slot().
	 */
	__atomic_store_n(&tree->root, node, __ATOMIC_RELEASE);
	return 0;
}

/* Allocates the child if there is none.  Returns NULL if out of memory. */
static struct bf_radix_node *node_child(struct bf_radix_node *node,
					uint64_t key)
{
	void **slot = &node->slots[key >> node->shift & BF_RADIX_MASK];

	if (!*slot)
		/* Release: as in tree_grow(). */
		__atomic_store_n(slot, node_alloc(node->shift - BF_RADIX_BITS),
				 __ATOMIC_RELEASE);
	return *slot;
}

int bf_radix_reserve(struct bf_radix *tree, uint64_t key)
{
	struct bf_radix_node *node;

	while (!tree->root || key >> tree->root->shift >= BF_RADIX_SLOTS) {
		if (tree_grow(tree))
			return -ENOMEM;
	}
	for (node = tree->root; node->shift;) {
		node = node_child(node, key);
		if (!node)
			return -ENOMEM;
	}
	return 0;
}

/*
 * Release: orders the stores to the vCPU before the store of its pointer.
 * Pairs with the acquire in bf_radix_load().  Without it a reader finds a vCPU
 * that is not set up yet.
 */
void bf_radix_store(struct bf_radix *tree, uint64_t key, void *value)
{
	__atomic_store_n(bf_radix_slot(tree, key), value, __ATOMIC_RELEASE);
}

static void node_free(struct bf_radix_node *node)
{
	unsigned int i;

	for (i = 0; node && node->shift && i < BF_RADIX_SLOTS; i++)
		node_free(node->slots[i]);
	free(node);
}

void bf_radix_destroy(struct bf_radix *tree)
{
	node_free(tree->root);
}
