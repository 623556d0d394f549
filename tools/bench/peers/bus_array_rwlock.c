// SPDX-License-Identifier: MIT
/*
 * A bus like those of cloud-hypervisor (vm-device/src/bus.rs) and ACRN
 * (devicemodel/core/mem.c): a sorted map and one rwlock.  An access holds the
 * lock for reading during its lookup, but not during the handler.  Here the map
 * is a sorted array.  As in ACRN the range has no reference count: a dispatch
 * is faster, and a removal returns while the handler may still run.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tools/bench/peers/bus_array.h"

struct array_bus {
	struct bus_array array;
	pthread_rwlock_t lock;
};

static void *array_bus_create(void)
{
	struct array_bus *bus = calloc(1, sizeof(*bus));

	if (bus)
		pthread_rwlock_init(&bus->lock, NULL);
	return bus;
}

static void array_bus_destroy(void *opaque)
{
	struct array_bus *bus = opaque;

	bus_array_free(&bus->array);
	pthread_rwlock_destroy(&bus->lock);
	free(bus);
}

static void *array_bus_add(void *opaque, const struct bf_io_range_desc *desc)
{
	struct array_bus *bus = opaque;
	void *range;

	pthread_rwlock_wrlock(&bus->lock);
	range = bus_array_add(&bus->array, desc);
	pthread_rwlock_unlock(&bus->lock);
	return range;
}

static void array_bus_remove(void *opaque, void *range)
{
	struct array_bus *bus = opaque;

	pthread_rwlock_wrlock(&bus->lock);
	bus_array_remove(&bus->array, range);
	pthread_rwlock_unlock(&bus->lock);
}

static __attribute__((noinline)) int
access_bus(void *opaque, const struct bf_io_access *access)
{
	const struct bf_io_range_desc *found;
	struct bf_io_range_desc range;
	struct array_bus *bus = opaque;

	pthread_rwlock_rdlock(&bus->lock);
	found = bus_array_find(&bus->array, access);
	if (found)
		range = *found; /* a change may move the element */
	pthread_rwlock_unlock(&bus->lock);
	return found ? bus_call(&range, access) : -EOPNOTSUPP;
}

static void array_bus_write_all(void *bus, const uint64_t *addrs, size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_array_rwlock = {
	.name = "array, rwlock",
	.linear = true,
	.create = array_bus_create,
	.destroy = array_bus_destroy,
	.add = array_bus_add,
	.remove = array_bus_remove,
	.write_all = array_bus_write_all,
};
