// SPDX-License-Identifier: MIT
/*
 * A lower bound that no real bus reaches: a sorted array without any guard.  It
 * must not change while a thread uses it.
 */
#include <stdlib.h>

#include "tools/bench/peers/bus_array.h"

static void *bare_create(void)
{
	return calloc(1, sizeof(struct bus_array));
}

static void bare_destroy(void *bus)
{
	bus_array_free(bus);
	free(bus);
}

static void *bare_add(void *bus, const struct bf_io_range_desc *desc)
{
	return bus_array_add(bus, desc);
}

static void bare_remove(void *bus, void *range)
{
	bus_array_remove(bus, range);
}

static __attribute__((noinline)) int
access_bus(void *bus, const struct bf_io_access *access)
{
	const struct bf_io_range_desc *range = bus_array_find(bus, access);

	return range ? bus_call(range, access) : -EOPNOTSUPP;
}

static void bare_write_all(void *bus, const uint64_t *addrs, size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_array_bare = {
	.name = "bare array",
	.linear = true,
	.unguarded = true,
	.create = bare_create,
	.destroy = bare_destroy,
	.add = bare_add,
	.remove = bare_remove,
	.write_all = bare_write_all,
};
