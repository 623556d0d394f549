/* SPDX-License-Identifier: MIT */
/*
 * A radix tree of pointers by number, read under no lock at all: one updater at
 * a time, under a lock of its own.
 *
 * It grows by whole nodes: a taller tree gets a new root above the old one, and
 * no node ever moves or is freed before the tree.  So growing copies nothing
 * and makes nobody wait, and a reader that still stands in the old root finds
 * there what it would have found before.  A hash table would have to be copied
 * whenever it fills up, and the old one kept until its readers have left.
 *
 * The pointers are the user's: what they point to is protected by SRCU.
 */
#ifndef BF_VCPUS_RADIX_H
#define BF_VCPUS_RADIX_H

#include <stdint.h>

#ifndef BF_RADIX_BITS /* of a key, per node; models/ takes smaller ones */
#define BF_RADIX_BITS 8
#endif
#define BF_RADIX_SLOTS (1U << BF_RADIX_BITS)
#define BF_RADIX_MASK  (BF_RADIX_SLOTS - 1)

struct bf_radix_node {
	unsigned int shift; /* the key's bits below this node; 0: leaf */
	void *slots[BF_RADIX_SLOTS]; /* nodes, or in a leaf the pointers */
};

struct bf_radix {
	struct bf_radix_node *root; /* NULL while empty */
};

/*
 * The slot of a key, NULL where there is none.
 *
 * Loads are acquire: whoever sees a node sees its shift and its empty slots,
 * which the release stores in radix.c publish.  Otherwise a reader might take
 * what the memory held before for a pointer.
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

/* What is stored for a key; NULL where nothing is. */
static inline void *bf_radix_load(const struct bf_radix *tree, uint64_t key)
{
	void **slot = bf_radix_slot(tree, key);

	return slot ? __atomic_load_n(slot, __ATOMIC_ACQUIRE) : NULL;
}

/*
 * Makes room for a key below 2^32: 0, or -ENOMEM with nothing changed that a
 * reader could see.
 */
int bf_radix_reserve(struct bf_radix *tree, uint64_t key);

/* Stores for a key that there is room for.  A release. */
void bf_radix_store(struct bf_radix *tree, uint64_t key, void *value);

/* Frees the nodes; nobody uses the tree. */
void bf_radix_destroy(struct bf_radix *tree);

#endif
