/* SPDX-License-Identifier: MIT */
/*
 * An array of 2^32 pointers, NULL at first, of which a program uses few.
 * Readers take no lock.  Updaters exclude each other with the caller's lock.
 *
 * The slots lie in blocks: the first has 64, and each further one as many as
 * all before it.  A block does not move, and is not freed before the array.  So
 * growth copies nothing and waits for no reader.  Large blocks are mapped, and
 * the kernel gives memory to a page of slots when one of them is stored to.
 */
#ifndef BF_BASE_SPARSE_H
#define BF_BASE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#ifndef BF_SPARSE_BITS /* models/ defines fewer */
#define BF_SPARSE_BITS	     32
#define BF_SPARSE_FIRST_BITS 6
#endif
#define BF_SPARSE_BLOCKS (BF_SPARSE_BITS - BF_SPARSE_FIRST_BITS + 1)

/* All zero is an empty array. */
struct bf_sparse {
	void **blocks[BF_SPARSE_BLOCKS]; /* NULL where no slot was reserved */
};

/* Frees the array.  No thread uses it any more. */
void bf_sparse_free(struct bf_sparse *array);

/*
 * Allocates the block of a key below 2^32.  Returns 0, or -ENOMEM; in both
 * cases readers find the same pointers as before.
 */
int bf_sparse_reserve(struct bf_sparse *array, uint64_t key);

/* Stores the pointer of a reserved key.  A release. */
void bf_sparse_store(struct bf_sparse *array, uint64_t key, void *value);

/* The block of a key below 2^BF_SPARSE_BITS. */
static inline unsigned int bf_sparse_block(uint64_t key)
{
	key >>= BF_SPARSE_FIRST_BITS;
	return key ? 64 - (unsigned int)__builtin_clzll(key) : 0;
}

/* The first key of a block. */
static inline uint64_t bf_sparse_base(unsigned int block)
{
	return block ? UINT64_C(1) << (BF_SPARSE_FIRST_BITS + block - 1) : 0;
}

/*
 * Returns the pointer of any key, or NULL.  An acquire: pairs with the release
 * in bf_sparse_store().  The acquire of the block pairs with the release in
 * bf_sparse_reserve(), so the zeroes of the new block are visible.
 */
static inline void *bf_sparse_load(const struct bf_sparse *array, uint64_t key)
{
	unsigned int block;
	void **slots;

	if (key >> BF_SPARSE_BITS)
		return NULL;
	block = bf_sparse_block(key);
	slots = __atomic_load_n(&array->blocks[block], __ATOMIC_ACQUIRE);
	return slots ? __atomic_load_n(&slots[key - bf_sparse_base(block)],
				       __ATOMIC_ACQUIRE) :
		       NULL;
}

#endif
