// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "vcpus/radix.h"

static struct bf_radix_node *new_node(unsigned int shift)
{
	struct bf_radix_node *node = calloc(1, sizeof(*node));

	if (node)
		node->shift = shift;
	return node;
}

static int grow(struct bf_radix *tree)
{
	struct bf_radix_node *root = tree->root;
	struct bf_radix_node *node =
		new_node(root ? root->shift + BF_RADIX_BITS : 0);

	if (!node)
		return -ENOMEM;
	node->slots[0] = root;
	/*
	 * Release: who loads the root sees its shift and slots; pairs with the
	 * acquire in bf_radix_slot().
	 */
	__atomic_store_n(&tree->root, node, __ATOMIC_RELEASE);
	return 0;
}

/* The node below, made if it is not there; NULL: out of memory. */
static struct bf_radix_node *child(struct bf_radix_node *node, uint64_t key)
{
	void **slot = &node->slots[key >> node->shift & BF_RADIX_MASK];

	if (!*slot)
		/* Release: as in grow(). */
		__atomic_store_n(slot, new_node(node->shift - BF_RADIX_BITS),
				 __ATOMIC_RELEASE);
	return *slot;
}

int bf_radix_reserve(struct bf_radix *tree, uint64_t key)
{
	struct bf_radix_node *node;

	while (!tree->root || key >> tree->root->shift >= BF_RADIX_SLOTS) {
		if (grow(tree))
			return -ENOMEM;
	}
	for (node = tree->root; node->shift;) {
		node = child(node, key);
		if (!node)
			return -ENOMEM;
	}
	return 0;
}

#ifdef BF_VCPUS_BREAK_STORE
#define STORE_ORDER __ATOMIC_RELAXED
#else
/*
 * Release: who loads the pointer sees what it points to; pairs with the
 * acquire in bf_radix_load().  Without it a reader finds a vCPU that is not
 * set up yet.
 */
#define STORE_ORDER __ATOMIC_RELEASE
#endif

void bf_radix_store(struct bf_radix *tree, uint64_t key, void *value)
{
	__atomic_store_n(bf_radix_slot(tree, key), value, STORE_ORDER);
}

static void free_below(struct bf_radix_node *node)
{
	unsigned int i;

	for (i = 0; node && node->shift && i < BF_RADIX_SLOTS; i++)
		free_below(node->slots[i]);
	free(node);
}

void bf_radix_destroy(struct bf_radix *tree)
{
	free_below(tree->root);
}
