// SPDX-License-Identifier: MIT
/* The bus: its life, and the order in which an access is offered. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/bus.h"
#include "srcu/wait.h"
#include "util.h"

#define MAX_ACCESS 8

/* The handlers that this thread is in, innermost first. */
struct handler_frame {
	const struct bf_io_bus *bus;
	struct handler_frame *outer;
};

static __thread struct handler_frame *frames;

bool bf_io_in_handler(const struct bf_io_bus *bus)
{
	const struct handler_frame *frame;

	for (frame = frames; frame; frame = frame->outer)
		if (frame->bus == bus)
			return true;
	return false;
}

void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head))
{
	if (srcu_gp_try(&bus->srcu))
		fn(head);
	else
		call_srcu(&bus->srcu, head, fn);
}

void bf_io_copy_name(char name[32], const char *from)
{
	snprintf(name, 32, "%s", from ? from : "");
}

static int init_domains(struct bf_io_bus *bus)
{
	int ret = init_srcu_struct(&bus->srcu);

	if (ret)
		return ret;
	ret = init_srcu_struct(&bus->signals);
	if (ret)
		cleanup_srcu_struct(&bus->srcu);
	return ret;
}

int bf_io_bus_create(struct bf_io_bus **busp, const char *name)
{
	struct bf_io_bus *bus = NULL;
	int ret;

	if (posix_memalign((void **)&bus, __alignof__(*bus), sizeof(*bus)))
		return -ENOMEM;
	memset(bus, 0, sizeof(*bus));
	ret = init_domains(bus);
	if (ret) {
		free(bus);
		return ret;
	}
	pthread_mutex_init(&bus->lock, NULL);
	bf_io_copy_name(bus->name, name);
	*busp = bus;
	return 0;
}

void bf_io_bus_destroy(struct bf_io_bus *bus)
{
	if (!bus)
		return;
	srcu_barrier(&bus->srcu);
	bf_doorbells_destroy(bus);
	bf_ranges_destroy(bus);
	cleanup_srcu_struct(&bus->srcu);
	cleanup_srcu_struct(&bus->signals);
	pthread_mutex_destroy(&bus->lock);
	free(bus);
}

static int call_ops(const struct bf_io_ops *ops, void *opaque, uint64_t offset,
		    const struct bf_io_access *access)
{
	if (access->write)
		return ops->write ? ops->write(opaque, offset, access->data,
					       access->len) :
				    -EOPNOTSUPP;
	return ops->read ?
		       ops->read(opaque, offset, access->data, access->len) :
		       -EOPNOTSUPP;
}

int bf_io_call_handler(struct bf_io_bus *bus, const struct bf_io_ops *ops,
		       void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	struct handler_frame frame = {.bus = bus, .outer = frames};
	int ret;

	frames = &frame;
	ret = call_ops(ops, opaque, offset, access);
	frames = frame.outer;
	return ret ? -EOPNOTSUPP : 0;
}

int bf_io_access(struct bf_io_bus *bus, const struct bf_io_access *access)
{
	int idx, ret = 0;

	if (!access->len || access->len > MAX_ACCESS ||
	    access->space >= BF_IO_SPACES)
		return -EINVAL;
	idx = srcu_read_lock(&bus->srcu);
	if (!access->write || !bf_doorbell_ring(bus, access))
		ret = bf_range_access(bus, access);
	srcu_read_unlock(&bus->srcu, idx);
	return ret;
}

static const char *space_name(uint16_t space)
{
	static const char *const names[] = {
		[BF_IO_MMIO] = "mmio",
		[BF_IO_PIO] = "pio",
		[BF_IO_CCW] = "ccw",
	};

	return space < ARRAY_SIZE(names) ? names[space] : "?";
}

static int format_doorbell(const struct bf_io_party *party, char *buf,
			   size_t size)
{
	char match[32] = "any data";

	if (!party->wildcard)
		snprintf(match, sizeof(match), "datamatch %#" PRIx64,
			 party->datamatch);
	return snprintf(buf, size, "doorbell %s %#" PRIx64 " length %u, %s",
			space_name(party->space), party->addr,
			(unsigned int)party->size, match);
}

/* The end is named by its last byte where addr + size is 2^64. */
static int format_range(const struct bf_io_party *party, char *buf, size_t size)
{
	return snprintf(buf, size, "range %s%s%s [%#" PRIx64 ", %#" PRIx64 "]",
			party->name, party->name[0] ? " " : "",
			space_name(party->space), party->addr,
			party->addr + (party->size - 1));
}

static int format_party(const struct bf_io_party *party, char *buf, size_t size)
{
	return party->kind == BF_IO_DOORBELL ?
		       format_doorbell(party, buf, size) :
		       format_range(party, buf, size);
}

int bf_io_conflict_format(const struct bf_io_conflict *conflict, char *buf,
			  size_t size)
{
	char wanted[128], existing[128];

	format_party(&conflict->wanted, wanted, sizeof(wanted));
	format_party(&conflict->existing, existing, sizeof(existing));
	return snprintf(buf, size, "%s collides with %s", wanted, existing);
}
