// SPDX-License-Identifier: MIT
/* Dispatch of accesses: whole, in parts, or as strings; and sections. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "io_bus/bus.h"
#include "io_bus/counters.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/region.h"
#include "io_bus/ring.h"
#include "io_bus/thread.h"

/* No entry took the access. */
static int dispatch_missed(const struct bf_io_bus *bus,
			   struct bf_io_access *access)
{
	access->taken_by = BF_IO_NONE;
	PROBE_MISS(bus, access);
	return -EOPNOTSUPP;
}

static inline __attribute__((always_inline)) int
range_call(const struct bf_io_bus *bus, const struct bf_region_span *range,
	   uint64_t offset, const struct bf_io_access *access)
{
	struct bf_io_frame frame;
	int ret;

	bf_io_enter(&frame, bus, false);
	ret = access->write ? range->ops.write(range->opaque, offset, access) :
			      range->ops.read(range->opaque, offset, access);
	bf_io_leave(&frame);
	return ret;
}

static __attribute__((noinline)) int
range_call_counted(const struct bf_io_bus *bus,
		   const struct bf_region_span *range, uint64_t offset,
		   const struct bf_io_access *access)
{
	uint64_t start = bf_now_ns();
	int ret = range_call(bus, range, offset, access);

	bf_count(&range->region->entry.counters, access->write, start);
	return ret;
}

/* Of one priority. */
static inline __attribute__((always_inline)) int
layer_dispatch(const struct bf_io_bus *bus, const struct bf_io_state *state,
	       const struct bf_layer *layer, struct bf_io_access *access)
{
	const struct bf_span_hit hit = bf_region_find(layer->root, access);
	const struct bf_region_span *range;

	if (unlikely(!hit.entry))
		return -EOPNOTSUPP;
	range = bf_region_span_of(hit.entry);
	PROBE_DISPATCH(bus, BF_IO_RANGE, access);
	access->taken_by = BF_IO_RANGE;
	if (unlikely(state->counting))
		return range_call_counted(bus, range, hit.offset, access);
	return range_call(bus, range, hit.offset, access);
}

/* The same in a loop: see thread.h. */
static __attribute__((noinline)) int
next_layer_dispatch(const struct bf_io_bus *bus,
		    const struct bf_io_state *state,
		    const struct bf_layer *layer, struct bf_io_access *access)
{
	return layer_dispatch(bus, state, layer, access);
}

/* No range of a layer took the access, or its handler failed with ret. */
static __attribute__((noinline)) int
range_failed(const struct bf_io_bus *bus, const struct bf_io_state *state,
	     struct bf_io_access *access, int ret)
{
	const struct bf_layer *layer = &state->space[access->space].ranges;

	while (ret > 0 || ret == -EOPNOTSUPP) {
		layer = bf_layer_next(layer);
		if (!layer)
			return dispatch_missed(bus, access);
		ret = next_layer_dispatch(bus, state, layer, access);
	}
	return ret;
}

static inline __attribute__((always_inline)) int
range_dispatch(const struct bf_io_bus *bus, const struct bf_io_state *state,
	       const struct bf_layer *first, struct bf_io_access *access)
{
	int ret = layer_dispatch(bus, state, first, access);

	return unlikely(ret) ? range_failed(bus, state, access, ret) : 0;
}

/* The first registered zone with room in its ring. */
static bool zone_dispatch(const struct bf_io_bus *bus,
			  const struct bf_io_state *state,
			  struct bf_io_access *access)
{
	const struct bf_layer *layer = &state->space[access->space].zones;
	struct bf_span_hit hit;

	for (; layer; layer = bf_layer_next(layer)) {
		hit = bf_region_find(layer->root, access);
		if (!hit.entry)
			continue;
		PROBE_DISPATCH(bus, BF_IO_ZONE, access);
		if (!bf_ring_put(bf_region_span_of(hit.entry)->opaque, access))
			continue;
		access->taken_by = BF_IO_ZONE;
		return true;
	}
	return false;
}

/* A part of at most BF_IO_MAX_LEN bytes, in a section of bus->srcu. */
static inline __attribute__((always_inline)) int
part_dispatch(struct bf_io_bus *bus, const struct bf_io_state *state,
	      size_t space, struct bf_io_access *access)
{
	const struct bf_io_roots *roots = &state->space[space];

	if (unlikely(space >= state->spaces))
		return dispatch_missed(bus, access);
	if (access->write) {
		if (roots->had_doorbells &&
		    bf_doorbell_dispatch(bus, state, access))
			return 0;
		if (roots->zones.root && zone_dispatch(bus, state, access))
			return 0;
	}
	return range_dispatch(bus, state, &roots->ranges, access);
}

static int dispatch_invalid(struct bf_io_access *access)
{
	access->taken_by = BF_IO_NONE;
	return -EINVAL;
}

/*
 * A handler may suspend its coroutine, so that another thread ends the section.
 * Not inlined: see thread.h.
 */
__attribute__((noinline)) int bf_io_dispatch(struct bf_io_bus *bus,
					     struct bf_io_access *access)
{
	/* Loaded before the reader's fence, which would delay the search. */
	const size_t space = access->space;
	int idx, ret;

	/* One comparison for both ends: 0 - 1 is the highest length. */
	if (unlikely(access->len - 1 >= BF_IO_MAX_LEN || space >= BF_IO_SPACES))
		return dispatch_invalid(access);
	idx = srcu_down_read(&bus->srcu);
	ret = part_dispatch(bus, bf_bus_state(bus), space, access);
	srcu_up_read(&bus->srcu, idx);
	return ret;
}

/* The same in a loop: see thread.h. */
static __attribute__((noinline)) int
one_part_dispatch(struct bf_io_bus *bus, const struct bf_io_state *state,
		  struct bf_io_access *access)
{
	return part_dispatch(bus, state, access->space, access);
}

/* Returns the answer to the first part that is not taken, or 0. */
static int parts_dispatch(struct bf_io_bus *bus,
			  const struct bf_io_state *state,
			  struct bf_io_access *access, uint32_t *done)
{
	struct bf_io_access part = *access;
	int ret;

	do {
		part.addr = access->addr + *done;
		part.data = (char *)access->data + *done;
		part.len = access->len - *done;
		if (part.len > BF_IO_MAX_LEN)
			part.len = BF_IO_MAX_LEN;
		if (part.addr < access->addr)
			ret = dispatch_missed(bus, &part);
		else
			ret = one_part_dispatch(bus, state, &part);
		if (!*done)
			access->taken_by = part.taken_by;
		if (ret)
			return ret;
		*done += part.len;
	} while (*done < access->len);
	return 0;
}

int bf_io_dispatch_long(struct bf_io_bus *bus, struct bf_io_access *access,
			uint32_t *done)
{
	int idx, ret;

	*done = 0;
	if (!access->len || access->space >= BF_IO_SPACES)
		return dispatch_invalid(access);
	idx = srcu_down_read(&bus->srcu);
	ret = parts_dispatch(bus, bf_bus_state(bus), access, done);
	srcu_up_read(&bus->srcu, idx);
	return ret;
}

static int elements_dispatch(struct bf_io_bus *bus,
			     const struct bf_io_state *state,
			     struct bf_io_access *access, uint32_t count)
{
	struct bf_io_access element = *access;
	uint32_t i;
	int ret;

	for (i = 0; i < count; i++) {
		ret = one_part_dispatch(bus, state, &element);
		if (!i) {
			access->taken_by = element.taken_by;
			if (ret)
				return ret;
		}
		if (ret && !element.write)
			memset(element.data, 0, element.len);
		element.data = (char *)element.data + element.len;
	}
	return 0;
}

int bf_io_dispatch_string(struct bf_io_bus *bus, struct bf_io_access *access,
			  uint32_t count)
{
	int idx, ret;

	if (access->len - 1 >= BF_IO_MAX_LEN || access->space >= BF_IO_SPACES)
		return dispatch_invalid(access);
	if (!count)
		return dispatch_missed(bus, access);
	idx = srcu_down_read(&bus->srcu);
	ret = elements_dispatch(bus, bf_bus_state(bus), access, count);
	srcu_up_read(&bus->srcu, idx);
	return ret;
}

struct section {
	struct bf_io_frame frame;
	struct bf_io_bus *bus;
	int idx;
};

_Static_assert(sizeof(struct section) <= sizeof(struct bf_io_section),
	       "struct bf_io_section is too small");

__attribute__((noinline)) void bf_io_section_begin(struct bf_io_bus *bus,
						   struct bf_io_section *words)
{
	struct section *section = (struct section *)words;

	section->bus = bus;
	section->idx = srcu_down_read(&bus->srcu);
	bf_io_enter(&section->frame, bus, false);
}

void bf_io_section_end(struct bf_io_section *words)
{
	struct section *section = (struct section *)words;

	bf_io_leave(&section->frame);
	srcu_up_read(&section->bus->srcu, section->idx);
}
