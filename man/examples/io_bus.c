// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <belfry/io_bus.h>

/*
 * A device with one register, and a report of a conflict:
 */
static int serial_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	size_t len = access->len;

	return fwrite(access->data, 1, len, opaque) == len ? 0 : -EIO;
}

static const struct bf_io_ops serial_ops = {.write = serial_write};

static int add_serial(struct bf_io_bus *bus, uint64_t port)
{
	struct bf_io_range_desc desc = {
		.addr = port,
		.size = 8,
		.space = BF_IO_PIO,
		.name = "serial",
		.ops = &serial_ops,
		.opaque = stdout,
	};
	struct bf_io_conflict conflict;
	char text[256];
	int err = bf_io_add_range(bus, &desc, NULL, &conflict);

	if (err == -EEXIST) {
		bf_io_conflict_format(&conflict, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
	return err;
}

/*
 * A handler that unplugs its own device; the bus frees the device when no
 * handler of it runs any more:
 */
struct slot {
	struct bf_io_bus *bus;
	struct bf_io_range *range;
};

static int slot_eject(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	struct slot *slot = opaque;
	struct bf_io_range *range =
		__atomic_exchange_n(&slot->range, NULL, __ATOMIC_ACQ_REL);

	if (range)
		bf_io_remove_range_async(slot->bus, range, free, slot);
	return 0;
}
