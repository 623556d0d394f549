// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/mman.h>

#include "base/sparse.h"

#define BLOCKS_SIZE (BF_SPARSE_BLOCKS * sizeof(void **))
#define BLOCK_SIZE  (BF_SPARSE_BLOCK * sizeof(void *))

/* Not calloc(), which may clear, and so touch, memory that was used before. */
static void *map_zeroed(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

int bf_sparse_init(struct bf_sparse *array)
{
	array->blocks = map_zeroed(BLOCKS_SIZE);
	array->end = 0;
	return array->blocks ? 0 : -ENOMEM;
}

void bf_sparse_free(struct bf_sparse *array)
{
	size_t i;

	for (i = 0; i < array->end; i++)
		if (array->blocks[i])
			munmap(array->blocks[i], BLOCK_SIZE);
	if (array->blocks)
		munmap(array->blocks, BLOCKS_SIZE);
}

int bf_sparse_reserve(struct bf_sparse *array, uint64_t key)
{
	size_t i = key / BF_SPARSE_BLOCK;
	void *block;

	if (array->blocks[i])
		return 0;
	block = map_zeroed(BLOCK_SIZE);
	if (!block)
		return -ENOMEM;
	/* Orders the zeroes of the block before its pointer; bf_sparse_load(). */
	__atomic_store_n(&array->blocks[i], block, __ATOMIC_RELEASE);
	if (i >= array->end)
		array->end = i + 1;
	return 0;
}

/*
 * Release: orders the stores to the object before the store of its pointer.
 * Pairs with the acquire in bf_sparse_load().  Without it a reader finds an
 * object that is not set up yet.
 */
void bf_sparse_store(struct bf_sparse *array, uint64_t key, void *value)
{
	__atomic_store_n(
		&array->blocks[key / BF_SPARSE_BLOCK][key % BF_SPARSE_BLOCK],
		value, __ATOMIC_RELEASE);
}
