/* SPDX-License-Identifier: MIT */
/*
 * An I/O bus as the benchmark sees it: device ranges of one space, with the
 * library's descriptors and handlers, so that all buses do the same work.
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
	bool linear;	/* a change takes time with the number of ranges */
	bool unguarded; /* must not be changed while it is in use */
	/* NULL where memory is short. */
	void *(*create)(void);
	/* Of a bus without ranges, or with what is left of them. */
	void (*destroy)(void *bus);
	/* The range's handle; NULL: no memory, or it overlaps another one. */
	void *(*add)(void *bus, const struct bf_io_range_desc *desc);
	void (*remove)(void *bus, void *range);
	/* Writes of 4 bytes, one to each of the addresses. */
	void (*write_all)(void *bus, const uint64_t *addrs, size_t count);
};

/* The library's rivals; NULL at the end. */
extern const struct bus_peer *const bus_peers[];
extern const struct bus_peer bus_interval_mutex, bus_rbtree_rwlock,
	bus_array_rwlock, bus_array_bare;

typedef int (*bus_access_fn)(void *bus, const struct bf_io_access *access);

/*
 * The loop of every bus.  It is inlined and calls access() directly; access()
 * is not inlined: a VMM's exit loop calls its bus, too.
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

/* Does a range take an access to an address that is not below its base? */
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
		return desc->ops->write(desc->opaque, offset, access->data,
					access->len);
	return desc->ops->read(desc->opaque, offset, access->data, access->len);
}

#endif
