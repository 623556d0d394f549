// SPDX-License-Identifier: MIT
/* Changes of a sorted array of ranges. */
#include "tools/bench/peers/bus_array.h"

#include <stdlib.h>
#include <string.h>

void bus_array_free(struct bus_array *array)
{
	free(array->ranges);
	free(array->bases);
}

static bool grow(struct bus_array *array)
{
	size_t space = array->space ? 2 * array->space : 16;
	struct bf_io_range_desc *ranges;
	uint64_t *bases;

	bases = reallocarray(array->bases, space, sizeof(*bases));
	if (!bases)
		return false;
	array->bases = bases;
	ranges = reallocarray(array->ranges, space, sizeof(*ranges));
	if (!ranges)
		return false;
	array->ranges = ranges;
	array->space = space;
	return true;
}

/* Return the number of bases below addr. */
static size_t rank_of(const struct bus_array *array, uint64_t addr)
{
	size_t rank = bus_array_search(array, addr);

	return rank && array->bases[rank - 1] >= addr ? rank - 1 : rank;
}

static bool fits(const struct bus_array *array, size_t rank,
		 const struct bf_io_range_desc *desc)
{
	const struct bf_io_range_desc *below;

	if (rank < array->count && array->bases[rank] - desc->addr < desc->size)
		return false;
	if (!rank)
		return true;
	below = &array->ranges[rank - 1];
	return desc->addr - below->addr >= below->size;
}

/* Move the elements from rank on by that many places. */
static void shift(struct bus_array *array, size_t rank, int by)
{
	size_t count = array->count - rank;

	memmove(array->bases + rank + by, array->bases + rank,
		count * sizeof(*array->bases));
	memmove(array->ranges + rank + by, array->ranges + rank,
		count * sizeof(*array->ranges));
}

/* The handle is the base plus one, since a range may be at address 0. */
void *bus_array_add(struct bus_array *array,
		    const struct bf_io_range_desc *desc)
{
	size_t rank = rank_of(array, desc->addr);

	if (!fits(array, rank, desc))
		return NULL;
	if (array->count == array->space && !grow(array))
		return NULL;
	shift(array, rank, 1);
	array->bases[rank] = desc->addr;
	array->ranges[rank] = *desc;
	array->count++;
	return (void *)(uintptr_t)(desc->addr + 1);
}

void bus_array_remove(struct bus_array *array, void *handle)
{
	shift(array, rank_of(array, (uintptr_t)handle - 1) + 1, -1);
	array->count--;
}
