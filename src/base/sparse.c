// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/sparse.h"

/* calloc() would clear, and so touch, memory that was used before. */
#define MAPPED_SIZE ((size_t)1 << 15)

static size_t block_size(unsigned int block)
{
	size_t slots = block ? bf_sparse_base(block) :
			       (size_t)1 << BF_SPARSE_FIRST_BITS;

	return slots * sizeof(void *);
}

static void *block_new(size_t size)
{
	void *memory;

	if (size < MAPPED_SIZE)
		return calloc(1, size);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return memory != MAP_FAILED ? memory : NULL;
}

void bf_sparse_free(struct bf_sparse *array)
{
	unsigned int i;

	for (i = 0; i < BF_SPARSE_BLOCKS; i++) {
		if (block_size(i) < MAPPED_SIZE)
			free(array->blocks[i]);
		else if (array->blocks[i])
			munmap(array->blocks[i], block_size(i));
	}
}

int bf_sparse_reserve(struct bf_sparse *array, uint64_t key)
{
	unsigned int i = bf_sparse_block(key);
	void **slots;

	if (array->blocks[i])
		return 0;
	slots = block_new(block_size(i));
	if (!slots)
		return -ENOMEM;
	/* Orders the zeroes of the block before its pointer; bf_sparse_load(). */
	__atomic_store_n(&array->blocks[i], slots, __ATOMIC_RELEASE);
	return 0;
}

/*
 * Release: orders the stores to the object before the store of its pointer.
 * Pairs with the acquire in bf_sparse_load().  Without it a reader finds an
 * object that is not set up yet.
 */
void bf_sparse_store(struct bf_sparse *array, uint64_t key, void *value)
{
	const unsigned int block = bf_sparse_block(key);

	__atomic_store_n(&array->blocks[block][key - bf_sparse_base(block)],
			 value, __ATOMIC_RELEASE);
}
