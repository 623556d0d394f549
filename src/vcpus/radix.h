/* SPDX-License-Identifier: MIT */
/*
 * A radix tree that maps numbers to pointers.  Readers take no lock.  Updaters
 * exclude each other with the caller's lock.
 *
 * The tree grows by whole nodes.  A taller tree gets a new root above the old
 * one, and no node moves or is freed before the tree.  So growth copies nothing
 * and waits for no reader, and a reader that loaded the old root still finds
 * the same pointers below it.  A full hash table would have to be copied, and
 * the old copy kept for a grace period.
 *
 * SRCU protects the objects that the pointers refer to, not the nodes.
 */
#ifndef BF_VCPUS_RADIX_H
#define BF_VCPUS_RADIX_H

#include <stdint.h>

#ifndef BF_RADIX_BITS /* key bits per node; models/ defines fewer */
#define BF_RADIX_BITS 8
#endif
#define BF_RADIX_SLOTS (1U << BF_RADIX_BITS)
#define BF_RADIX_MASK  (BF_RADIX_SLOTS - 1)

struct bf_radix_node {
	unsigned int shift;	     /* key bits below this node; 0: leaf */
	void *slots[BF_RADIX_SLOTS]; /* nodes; in a leaf the pointers */
};

struct bf_radix {
	struct bf_radix_node *root; /* NULL while empty */
};

/*
 * Returns the slot of a key, or NULL if its node does not exist.
 *
 * The loads are acquires.  They pair with the releases in tree_grow() and
 * node_child() and order the load of a node before the loads of its shift and
 * slots.  Without them a reader may take stale memory for a pointer.
 */
static inline void **bf_radix_slot(const struct bf_radix *tree, uint64_t key)
{
	struct bf_radix_node *node =
		__atomic_load_n(&tree->root, __ATOMIC_ACQUIRE);
	unsigned int shift;

	if (!node || key >> node->shift >= BF_RADIX_SLOTS)
		return NULL;
	for (shift = node->shift; shift; shift -= BF_RADIX_BITS) {
		node = __atomic_load_n(
			&node->slots[key >> shift & BF_RADIX_MASK],
			__ATOMIC_ACQUIRE);
		if (!node)
			return NULL;
	}
	return &node->slots[key & BF_RADIX_MASK];
}

/* Returns the pointer of a key, or NULL.  An acquire. */
static inline void *bf_radix_load(const struct bf_radix *tree, uint64_t key)
{
	void **slot = bf_radix_slot(tree, key);

	return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
}

/*
 * Allocates the nodes for a key below 2^32.  Returns 0, or -ENOMEM; in both
 * cases readers find the same pointers as before.
 */
int bf_radix_reserve(struct bf_radix *tree, uint64_t key);

/* Stores the pointer of a reserved key.  A release. */
void bf_radix_store(struct bf_radix *tree, uint64_t key, void *value);

/* Frees the nodes.  No thread uses the tree any more. */
void bf_radix_destroy(struct bf_radix *tree);

#endif
