/* SPDX-License-Identifier: MIT */
/* An array of ranges, sorted by base. */
#ifndef BF_BENCH_BUS_ARRAY_H
#define BF_BENCH_BUS_ARRAY_H

#include "tools/bench/peers/bus_peer.h"

struct bus_array {
	uint64_t *bases; /* apart from ranges: a search touches only these */
	struct bf_io_range_desc *ranges;
	size_t count, space;
};

void bus_array_free(struct bus_array *array);

/* Return a handle, or NULL if a range overlaps or memory is short. */
void *bus_array_add(struct bus_array *array,
		    const struct bf_io_range_desc *desc);
void bus_array_remove(struct bus_array *array, void *handle);

/* Return half or 0 without a branch: random addresses defeat prediction. */
static inline size_t bus_array_step(bool up, size_t half)
{
#ifdef __clang__ /* clang turns a conditional it understands into a branch */
	size_t mask = -(size_t)up;

	__asm__("" : "+r"(mask));
	return half & mask;
#else
	return up ? half : 0;
#endif
}

/*
 * Return the number of bases up to addr.  If all bases are above addr the
 * result is 1, and the caller must compare the first.
 */
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

/* Return the range that takes the access, or NULL. */
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
