/* SPDX-License-Identifier: MIT */
/* Ranges in an array sorted by base. */
#ifndef BF_BENCH_BUS_ARRAY_H
#define BF_BENCH_BUS_ARRAY_H

#include "bus_peer.h"

struct bus_array {
	uint64_t *bases; /* by themselves: a search touches nothing else */
	struct bf_io_range_desc *ranges;
	size_t count, space;
};

void bus_array_free(struct bus_array *array);

/* A handle for bus_array_remove(); NULL: no memory, or an overlap. */
void *bus_array_add(struct bus_array *array,
		    const struct bf_io_range_desc *desc);
void bus_array_remove(struct bus_array *array, void *handle);

/* half or 0, without a branch, which random addresses would defeat. */
static inline size_t bus_array_step(bool up, size_t half)
{
#ifdef __clang__ /* which makes a branch of whatever it can look into */
	size_t mask = -(size_t)up;

	__asm__("" : "+r"(mask));
	return half & mask;
#else
	return up ? half : 0;
#endif
}

/* How many bases are at most addr; or 1, where that is none of some. */
static inline size_t bus_array_search(const struct bus_array *array,
				      uint64_t addr)
{
	const uint64_t *base = array->bases;
	size_t half, left = array->count;

	while (left > 1) {
		half = left / 2;
		base += bus_array_step(base[half] <= addr, half);
		left -= half;
	}
	return (size_t)(base - array->bases) + left;
}

/* Whose access it is; NULL: nobody's. */
static inline const struct bf_io_range_desc *
bus_array_find(const struct bus_array *array, const struct bf_io_access *access)
{
	size_t rank = bus_array_search(array, access->addr);
	const struct bf_io_range_desc *range;

	if (!rank)
		return NULL;
	range = &array->ranges[rank - 1];
	return bus_takes(range, access) ? range : NULL;
}

#endif
