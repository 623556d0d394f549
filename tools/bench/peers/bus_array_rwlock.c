// SPDX-License-Identifier: MIT
/*
 * The kind of cloud-hypervisor's bus (vm-device/src/bus.rs) and of ACRN's
 * (devicemodel/core/mem.c): a sorted map and one rwlock, held for reading while
 * an access looks up its range, not over the handler.  Here the map is a sorted
 * array; and what was found is not counted, as in ACRN, which is quicker than
 * to count it, and ends a removal even while a handler runs.
 */
#include <pthread.h>
#include <stdlib.h>

#include "bus_array.h"

struct array_bus {
	struct bus_array array;
	pthread_rwlock_t lock;
};

static void *create(void)
{
	struct array_bus *bus = calloc(1, sizeof(*bus));

	if (bus)
		pthread_rwlock_init(&bus->lock, NULL);
	return bus;
}

static void destroy(void *opaque)
{
	struct array_bus *bus = opaque;

	bus_array_free(&bus->array);
	pthread_rwlock_destroy(&bus->lock);
	free(bus);
}

static void *add(void *opaque, const struct bf_io_range_desc *desc)
{
	struct array_bus *bus = opaque;
	void *range;

	pthread_rwlock_wrlock(&bus->lock);
	range = bus_array_add(&bus->array, desc);
	pthread_rwlock_unlock(&bus->lock);
	return range;
}

static void remove_range(void *opaque, void *range)
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
		range = *found; /* whose place a change may take */
	pthread_rwlock_unlock(&bus->lock);
	return found ? bus_call(&range, access) : -EOPNOTSUPP;
}

static void write_all(void *bus, const uint64_t *addrs, size_t count)
{
	bus_write_all(bus, access_bus, addrs, count);
}

const struct bus_peer bus_array_rwlock = {
	.name = "array, rwlock",
	.linear = true,
	.create = create,
	.destroy = destroy,
	.add = add,
	.remove = remove_range,
	.write_all = write_all,
};
