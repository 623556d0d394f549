// SPDX-License-Identifier: MIT
/*
 * The library's map and its peer: a sorted array with a binary search under a
 * read lock, as in most VMMs.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "belfry/memslots.h"
#include "bench_memslots.h"
#include "tools/belfry/common/xalloc.h"

#define HVA_BASE (1ULL << 40)

static void *belfry_create(void)
{
	struct bf_memslots *map = NULL;

	bf_memslots_create(NULL, &map);
	return xcheck(map);
}

static void belfry_destroy(void *map)
{
	bf_memslots_destroy(map);
}

static void belfry_add(void *map, uint32_t slot)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = slot * SLOT_STEP,
		.memory_size = SLOT_SIZE,
		.userspace_addr = HVA_BASE + slot * SLOT_SIZE,
	};

	if (bf_memslots_set(map, &region))
		xcheck(NULL);
}

static void belfry_remove(void *map, uint32_t slot)
{
	if (bf_memslots_remove(map, slot))
		xcheck(NULL);
}

static uint64_t belfry_find(void *map, const uint64_t *gpas, size_t count)
{
	struct bf_memslots_snapshot snapshot;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		bf_memslots_take(map, &snapshot);
		sum += (uintptr_t)bf_memslots_hva(&snapshot, 0, gpas[i], 8,
						  true);
		bf_memslots_drop(&snapshot);
	}
	return sum;
}

const struct slot_map belfry_map = {
	.name = "belfry",
	.create = belfry_create,
	.destroy = belfry_destroy,
	.add = belfry_add,
	.remove = belfry_remove,
	.find = belfry_find,
};

struct region {
	uint64_t gpa, size, hva;
};

struct array {
	pthread_rwlock_t lock;
	struct region *regions; /* by gpa */
	size_t count, space;
};

/* Prefers writers: by default a busy reader starves them. */
static void *array_create(void)
{
	struct array *array = xgrow(NULL, 0, 1, sizeof(*array));
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&array->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return array;
}

static void array_destroy(void *map)
{
	struct array *array = map;

	pthread_rwlock_destroy(&array->lock);
	free(array->regions);
	free(array);
}

/* Returns the number of regions that begin at or below gpa. */
static size_t array_search(const struct array *array, uint64_t gpa)
{
	size_t low = 0, high = array->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (array->regions[middle].gpa <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void array_add(void *map, uint32_t slot)
{
	const struct region region = {
		.gpa = slot * SLOT_STEP,
		.size = SLOT_SIZE,
		.hva = HVA_BASE + slot * SLOT_SIZE,
	};
	struct array *array = map;
	size_t at;

	pthread_rwlock_wrlock(&array->lock);
	if (array->count == array->space) {
		array->space = 2 * array->space + 16;
		array->regions = xgrow(array->regions, array->count,
				       array->space, sizeof(region));
	}
	at = array_search(array, region.gpa);
	memmove(&array->regions[at + 1], &array->regions[at],
		(array->count++ - at) * sizeof(region));
	array->regions[at] = region;
	pthread_rwlock_unlock(&array->lock);
}

static void array_remove(void *map, uint32_t slot)
{
	struct array *array = map;
	size_t at;

	pthread_rwlock_wrlock(&array->lock);
	at = array_search(array, slot * SLOT_STEP);
	memmove(&array->regions[at - 1], &array->regions[at],
		(array->count-- - at) * sizeof(struct region));
	pthread_rwlock_unlock(&array->lock);
}

static uint64_t array_find_one(struct array *array, uint64_t gpa, uint64_t len)
{
	const struct region *region;
	uint64_t hva = 0;
	size_t n;

	pthread_rwlock_rdlock(&array->lock);
	n = array_search(array, gpa);
	if (n) {
		region = &array->regions[n - 1];
		if (gpa - region->gpa < region->size &&
		    len <= region->size - (gpa - region->gpa))
			hva = region->hva + (gpa - region->gpa);
	}
	pthread_rwlock_unlock(&array->lock);
	return hva;
}

static uint64_t array_find(void *map, const uint64_t *gpas, size_t count)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < count; i++)
		sum += array_find_one(map, gpas[i], 8);
	return sum;
}

const struct slot_map peer_map = {
	.name = "binary search, rwlock",
	.create = array_create,
	.destroy = array_destroy,
	.add = array_add,
	.remove = array_remove,
	.find = array_find,
};
