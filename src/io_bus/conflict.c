// SPDX-License-Identifier: MIT
/* Conflicts in words. */
#include <inttypes.h>
#include <stdio.h>

#include "io_bus/conflict.h"
#include "base/util.h"

const char *bf_io_space_name(uint16_t space, char buf[16])
{
	static const char *const names[] = {
		[BF_IO_MMIO] = "mmio",
		[BF_IO_PIO] = "pio",
		[BF_IO_CCW] = "ccw",
	};

	if (space < ARRAY_SIZE(names))
		return names[space];
	snprintf(buf, 16, "space %u", space);
	return buf;
}

static int format_doorbell(const struct bf_io_party *party, char *buf,
			   size_t size)
{
	char match[32] = "any data", space[16];

	if (!party->wildcard)
		snprintf(match, sizeof(match), "datamatch %#" PRIx64,
			 party->datamatch);
	return snprintf(buf, size, "doorbell %s %#" PRIx64 " length %u, %s",
			bf_io_space_name(party->space, space), party->addr,
			(unsigned int)party->size, match);
}

/* The end is named by its last byte: addr + size may be 2^64. */
static int format_region(const struct bf_io_party *party, char *buf,
			 size_t size)
{
	char space[16];

	return snprintf(buf, size, "%s %s%s%s [%#" PRIx64 ", %#" PRIx64 "]",
			party->kind == BF_IO_ZONE ? "zone" : "range",
			party->name, party->name[0] ? " " : "",
			bf_io_space_name(party->space, space), party->addr,
			party->addr + (party->size - 1));
}

static int format_party(const struct bf_io_party *party, char *buf, size_t size)
{
	return party->kind == BF_IO_DOORBELL ?
		       format_doorbell(party, buf, size) :
		       format_region(party, buf, size);
}

int bf_io_conflict_format(const struct bf_io_conflict *conflict, char *buf,
			  size_t size)
{
	char wanted[128], existing[128];

	format_party(&conflict->wanted, wanted, sizeof(wanted));
	format_party(&conflict->existing, existing, sizeof(existing));
	return snprintf(buf, size, "%s collides with %s", wanted, existing);
}
