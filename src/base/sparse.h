/* SPDX-License-Identifier: MIT */
/*
 * An array of 2^32 pointers, NULL at first, of which a program uses few.
 * Readers take no lock.  Updaters exclude each other with the caller's lock.
 *
 * The slots lie in blocks of 2^16.  A block does not move, and is not freed
 * before the array.  So growth copies nothing and waits for no reader.  The
 * kernel gives memory to a page of slots when one of them is stored to.
 */
#ifndef BF_BASE_SPARSE_H
#define BF_BASE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#ifndef BF_SPARSE_BITS /* models/ defines fewer */
#define BF_SPARSE_BITS	     32
#define BF_SPARSE_BLOCK_BITS 16
#endif
#define BF_SPARSE_BLOCK	 ((size_t)1 << BF_SPARSE_BLOCK_BITS)
#define BF_SPARSE_BLOCKS ((size_t)1 << (BF_SPARSE_BITS - BF_SPARSE_BLOCK_BITS))

struct bf_sparse {
	void ***blocks; /* NULL where no slot was reserved */
	size_t end;	/* no block from here on */
};

/* Returns 0 or -ENOMEM. */
int bf_sparse_init(struct bf_sparse *array);

/* Frees the array.  No thread uses it any more. */
void bf_sparse_free(struct bf_sparse *array);

/*
 * Allocates the block of a key below 2^32.  Returns 0, or -ENOMEM; in both
 * cases readers find the same pointers as before.
 */
int bf_sparse_reserve(struct bf_sparse *array, uint64_t key);

/* Stores the pointer of a reserved key.  A release. */
void bf_sparse_store(struct bf_sparse *array, uint64_t key, void *value);

/*
 * Returns the pointer of any key, or NULL.  An acquire: pairs with the release
 * in bf_sparse_store().  The acquire of the block pairs with the release in
 * bf_sparse_reserve(), so the zeroes of the new block are visible.
 */
static inline void *bf_sparse_load(const struct bf_sparse *array, uint64_t key)
{
	void **block;

	if (key >> BF_SPARSE_BITS)
		return NULL;
	block = __atomic_load_n(&array->blocks[key / BF_SPARSE_BLOCK],
				__ATOMIC_ACQUIRE);
	return block ? __atomic_load_n(&block[key % BF_SPARSE_BLOCK],
				       __ATOMIC_ACQUIRE) :
		       NULL;
}

#endif
