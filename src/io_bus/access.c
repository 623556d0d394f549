// SPDX-License-Identifier: MIT
/* Accesses: offered in their order, whole, in parts or as strings. */
#include <errno.h>
#include <string.h>

#include "io_bus/bus.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/range.h"
#include "io_bus/zone.h"
#include "base/util.h"

bool bf_io_in_handler(const struct bf_io_bus *bus)
{
	const struct bf_io_frame *frame;

	for (frame = bf_io_innermost; frame; frame = frame->outer)
		if (frame->bus == bus)
			return true;
	return false;
}

bool bf_io_in_consumer(const struct bf_io_bus *bus)
{
	const struct bf_io_frame *frame;

	for (frame = bf_io_innermost; frame; frame = frame->outer)
		if (frame->bus == bus && frame->consumer)
			return true;
	return false;
}

/* Offers one part of an access, in a section of the bus: 0 or -EOPNOTSUPP. */
static inline __attribute__((always_inline)) int
offer(struct bf_io_bus *bus, const struct bf_io_roots *roots,
      const struct bf_io_access *access)
{
	if (access->write && roots->doorbells &&
	    bf_doorbell_ring(bus, roots, access))
		return 0;
	if (access->write && roots->zones && bf_zone_write(bus, roots, access))
		return 0;
	return bf_range_access(bus, roots, access);
}

/* In a section.  An access loads the state once, so its parts all see it. */
static const struct bf_io_roots *roots_for(struct bf_io_bus *bus,
					   const struct bf_io_access *access)
{
	const struct bf_io_state *state =
		srcu_dereference(bus->state, &bus->srcu);

	return &state->space[access->space];
}

static bool is_sound(const struct bf_io_access *access)
{
	return access->len && access->space < BF_IO_SPACES;
}

int bf_io_access(struct bf_io_bus *bus, const struct bf_io_access *access)
{
	int idx, ret;

	/* One comparison: a length of 0 is far above the longest here. */
	if (unlikely(access->len - 1 >= BF_IO_MAX_LEN ||
		     access->space >= BF_IO_SPACES))
		return -EINVAL;
	idx = srcu_read_lock(&bus->srcu);
	ret = offer(bus, roots_for(bus, access), access);
	srcu_read_unlock(&bus->srcu, idx);
	return ret;
}

/* In parts of 8 bytes until nobody takes one; returns how many were taken. */
static uint32_t offer_parts(struct bf_io_bus *bus,
			    const struct bf_io_roots *roots,
			    const struct bf_io_access *access)
{
	struct bf_io_access part = *access;
	uint32_t done;

	for (done = 0; done < access->len; done += part.len) {
		part.addr = access->addr + done;
		part.data = (char *)access->data + done;
		part.len = access->len - done;
		if (part.len > BF_IO_MAX_LEN)
			part.len = BF_IO_MAX_LEN;
#ifdef BF_BREAK_SNAPSHOT
		roots = roots_for(bus, access);
#endif
		if (part.addr < access->addr || offer(bus, roots, &part))
			break;
	}
	return done;
}

int bf_io_access_long(struct bf_io_bus *bus, const struct bf_io_access *access,
		      uint32_t *done)
{
	uint32_t taken;
	int idx;

	if (!is_sound(access))
		return -EINVAL;
	idx = srcu_read_lock(&bus->srcu);
	taken = offer_parts(bus, roots_for(bus, access), access);
	srcu_read_unlock(&bus->srcu, idx);
	*done += taken;
	return taken == access->len ? 0 : -EOPNOTSUPP;
}

static int offer_elements(struct bf_io_bus *bus,
			  const struct bf_io_roots *roots,
			  const struct bf_io_access *access, uint32_t count)
{
	struct bf_io_access element = *access;
	uint32_t i;

	if (!count || offer(bus, roots, access))
		return -EOPNOTSUPP;
	for (i = 1; i < count; i++) {
		element.data = (char *)element.data + element.len;
		if (offer(bus, roots, &element) && !element.write)
			memset(element.data, 0, element.len);
	}
	return 0;
}

int bf_io_access_string(struct bf_io_bus *bus,
			const struct bf_io_access *access, uint32_t count)
{
	int idx, ret;

	if (!is_sound(access) || access->len > BF_IO_MAX_LEN)
		return -EINVAL;
	idx = srcu_read_lock(&bus->srcu);
	ret = offer_elements(bus, roots_for(bus, access), access, count);
	srcu_read_unlock(&bus->srcu, idx);
	return ret;
}
