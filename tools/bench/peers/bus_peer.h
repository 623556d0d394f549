/* SPDX-License-Identifier: MIT */
/*
 * The interface of a bus to the benchmark: device ranges of one space.  All
 * buses take the library's descriptors and handlers, and so do the same work.
 */
#ifndef BF_BENCH_BUS_PEER_H
#define BF_BENCH_BUS_PEER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belfry/io_bus.h"

struct bus_peer {
	const char *name;
	bool linear; /* the time of a change grows with the number of ranges */
	bool unguarded; /* must not change while a thread uses it */
	/* Returns NULL if memory is short. */
	void *(*create)(void);
	/* Also removes the ranges that are left. */
	void (*destroy)(void *bus);
	/* Returns a handle, or NULL if a range overlaps or memory is short. */
	void *(*add)(void *bus, const struct bf_io_range_desc *desc);
	void (*remove)(void *bus, void *range);
	/* Write 4 bytes to each of the addresses. */
	void (*write_all)(void *bus, const uint64_t *addrs, size_t count);
};

/* All peers; NULL at the end. */
extern const struct bus_peer *const bus_peers[];
extern const struct bus_peer bus_interval_mutex, bus_rbtree_rwlock,
	bus_array_rwlock, bus_array_bare;

typedef int (*bus_access_fn)(void *bus, const struct bf_io_access *access);

/*
 * The loop of each bus.  The loop is inlined and calls the access function
 * directly.  The access function is not inlined, as in the exit loop of a VMM.
 */
static inline __attribute__((always_inline)) void
bus_write_all(void *bus, bus_access_fn access_fn, const uint64_t *addrs,
	      size_t count)
{
	uint32_t value = 1;
	struct bf_io_access access = {
		.data = &value,
		.len = sizeof(value),
		.space = BF_IO_MMIO,
		.write = true,
	};

	for (size_t i = 0; i < count; i++) {
		access.addr = addrs[i];
		access_fn(bus, &access);
	}
}

/* Does the range take the access?  The address is not below its base. */
static inline bool bus_takes(const struct bf_io_range_desc *desc,
			     const struct bf_io_access *access)
{
	uint64_t offset = access->addr - desc->addr;

	return offset < desc->size && access->len <= desc->size - offset;
}

static inline int bus_call(const struct bf_io_range_desc *desc,
			   const struct bf_io_access *access)
{
	uint64_t offset = access->addr - desc->addr;

	if (access->write)
		return desc->ops->write(desc->opaque, offset, access);
	return desc->ops->read(desc->opaque, offset, access);
}

#endif
