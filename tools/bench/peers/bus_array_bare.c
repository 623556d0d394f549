// SPDX-License-Identifier: MIT
/*
 * Nobody's bus: a sorted array without any guard, which must not change while
 * it is used.  What an access costs where nothing protects it.
 */
#include <stdlib.h>

#include "bus_array.h"

static void *create(void)
{
	return calloc(1, sizeof(struct bus_array));
}

static void destroy(void *bus)
{
	bus_array_free(bus);
	free(bus);
}

static void *add(void *bus, const struct bf_io_range_desc *desc)
{
	return bus_array_add(bus, desc);
}

static void remove_range(void *bus, void *range)
{
	bus_array_remove(bus, range);
}

static __attribute__((noinline)) int
access_bus(void *bus, const struct bf_io_access *access)
{
	const struct bf_io_range_desc *range = bus_array_find(bus, access);

	return range ? bus_call(range, access) : -EOPNOTSUPP;
}

static void write_all(void *bus, const uint64_t *addrs, size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_array_bare = {
	.name = "bare array",
	.linear = true,
	.unguarded = true,
	.create = create,
	.destroy = destroy,
	.add = add,
	.remove = remove_range,
	.write_all = write_all,
};
