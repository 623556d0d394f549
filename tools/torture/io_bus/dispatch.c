// SPDX-License-Identifier: MIT
/* Dispatchers of the bus torture: accesses, and checks of their results. */
#include <errno.h>

#include "tools/torture/io_bus/torture_io_bus.h"
#include "base/util.h"

#define LONG_PARTS 4

static void begin_write(struct dispatcher *dispatcher, struct write *write)
{
	*write = (struct write){
		.outer = dispatcher->write,
		.number = ++dispatcher->number,
	};
	dispatcher->write = write;
	dispatcher->depth++;
	dispatcher->thread.tallies[TALLY_WRITES]++;
}

static void end_write(struct dispatcher *dispatcher)
{
	dispatcher->write = dispatcher->write->outer;
	dispatcher->depth--;
}

/* Is there always a range at this offset? */
static bool is_covered(const struct slot *slot, uint64_t offset)
{
	return slot->kind == SLOT_COVERED && offset < RANGE_SIZE;
}

/* May a zone or an eventfd take a write at this offset? */
static bool may_be_silent(uint64_t offset)
{
	return offset == DOORBELL_OFFSET ||
	       (offset >= ZONE_OFFSET && offset < ZONE_OFFSET + ZONE_SIZE);
}

static void check_untaken(struct dispatcher *dispatcher, struct slot *slot,
			  uint64_t offset, int ret)
{
	if (ret != -EOPNOTSUPP)
		torture_fail("an access returned %d", ret);
	else if (is_covered(slot, offset))
		torture_fail("an access to a range was lost");
	dispatcher->thread.tallies[TALLY_UNTAKEN]++;
}

static void check_write(struct dispatcher *dispatcher, struct slot *slot,
			uint64_t offset, const struct write *write, int ret)
{
	if (write->delivered > (ret ? 0 : 1))
		torture_fail("a write was delivered %u times, and returned %d",
			     write->delivered, ret);
	if (ret)
		check_untaken(dispatcher, slot, offset, ret);
	else if (!write->delivered && !may_be_silent(offset))
		torture_fail("a write was taken, but not delivered");
	else if (!write->delivered)
		dispatcher->silent++;
}

static void write_once(struct dispatcher *dispatcher, struct slot *slot)
{
	static const uint64_t offsets[] = {
		0,	     DOORBELL_OFFSET, DOORBELL_OFFSET,
		ZONE_OFFSET, ZONE_OFFSET + 8, RANGE_SIZE - 8,
		OTHER_PLACE,
	};
	uint64_t offset =
		offsets[thread_random(&dispatcher->thread, ARRAY_SIZE(offsets))];
	struct write write;
	struct bf_io_access access = {
		.addr = slot->base + offset,
		.data = &write.number,
		.len = 8,
		.write = true,
	};
	int ret;

	begin_write(dispatcher, &write);
	ret = bf_io_dispatch(io_torture.bus, &access);
	end_write(dispatcher);
	check_write(dispatcher, slot, offset, &write, ret);
}

/* If the doorbell goes in between, the range takes the other elements. */
static void write_string(struct dispatcher *dispatcher, struct slot *slot)
{
	struct write write;
	uint64_t data[STRING_COUNT];
	struct bf_io_access access = {
		.addr = slot->base + DOORBELL_OFFSET,
		.data = data,
		.len = 8,
		.write = true,
	};
	int ret;

	begin_write(dispatcher, &write);
	for (unsigned int i = 0; i < STRING_COUNT; i++)
		data[i] = write.number;
	ret = bf_io_dispatch_string(io_torture.bus, &access, STRING_COUNT);
	end_write(dispatcher);
	if (ret || write.delivered > STRING_COUNT)
		torture_fail("a string of %u writes was delivered %u times, "
			     "and returned %d",
			     STRING_COUNT, write.delivered, ret);
	else
		dispatcher->silent += STRING_COUNT - write.delivered;
	dispatcher->thread.tallies[TALLY_STRINGS]++;
}

/* One device's range and doorbell must precede those of the other. */
static bool in_order(const struct slot *slot, const struct write *write)
{
	unsigned int first = write->by[0] == slot->range[1];

	return write->by[0] == slot->range[first] &&
	       write->by[1] == slot->doorbell[first] &&
	       write->by[2] == slot->range[!first] &&
	       write->by[3] == slot->doorbell[!first];
}

static void write_long(struct dispatcher *dispatcher, struct slot *slot)
{
	struct write write;
	uint64_t data[LONG_PARTS];
	struct bf_io_access access = {
		.addr = slot->base,
		.data = data,
		.len = sizeof(data),
		.write = true,
	};
	uint32_t done = 0;
	int ret;

	begin_write(dispatcher, &write);
	for (unsigned int i = 0; i < LONG_PARTS; i++)
		data[i] = write.number;
	ret = bf_io_dispatch_long(io_torture.bus, &access, &done);
	end_write(dispatcher);
	if (ret || done != sizeof(data) || write.delivered != LONG_PARTS)
		torture_fail("a move was seen half: %u of %u parts were taken, "
			     "%u delivered",
			     done / 8, LONG_PARTS, write.delivered);
	else if (!in_order(slot, &write))
		torture_fail("a move was seen half: one device took two parts");
	dispatcher->thread.tallies[TALLY_LONG]++;
}

void dispatch_write(struct dispatcher *dispatcher, struct slot *slot)
{
	if (slot->kind == SLOT_SWAPPED)
		write_long(dispatcher, slot);
	else if (slot->kind == SLOT_COVERED &&
		 !thread_random(&dispatcher->thread, 4))
		write_string(dispatcher, slot);
	else
		write_once(dispatcher, slot);
}

/* One range of one generation must answer all elements. */
static void check_string(const uint64_t *values)
{
	for (unsigned int i = 1; i < STRING_COUNT; i++)
		if (values[i] != values[0] || !values[i])
			torture_fail("a string saw two states of the bus");
}

static void read_string(struct dispatcher *dispatcher, struct slot *slot)
{
	uint64_t values[STRING_COUNT] = {0};
	struct bf_io_access access = {
		.addr = slot->base,
		.data = values,
		.len = 8,
	};
	int ret = bf_io_dispatch_string(io_torture.bus, &access, STRING_COUNT);

	if (ret)
		check_untaken(dispatcher, slot, 0, ret);
	else
		check_string(values);
	dispatcher->thread.tallies[TALLY_STRINGS]++;
}

static void read_once(struct dispatcher *dispatcher, struct slot *slot)
{
	uint64_t value = 0;
	struct bf_io_access access = {
		.addr = slot->base + DOORBELL_OFFSET,
		.data = &value,
		.len = 8,
	};
	int ret = bf_io_dispatch(io_torture.bus, &access);

	if (ret)
		check_untaken(dispatcher, slot, DOORBELL_OFFSET, ret);
	else if (!value)
		torture_fail("a read was taken, but returned no value");
	dispatcher->thread.tallies[TALLY_READS]++;
}

static void dispatch(struct dispatcher *dispatcher, struct slot *slot)
{
	unsigned int dice = thread_random(&dispatcher->thread, 8);

	if (dice > 1 || slot->kind == SLOT_SWAPPED)
		dispatch_write(dispatcher, slot);
	else if (dice)
		read_string(dispatcher, slot);
	else
		read_once(dispatcher, slot);
}

/* Every second dispatcher keeps to the three slots that change most. */
static struct slot *some_slot(struct dispatcher *dispatcher)
{
	unsigned int count = dispatcher->thread.number % 2 ? 3 : NR_SLOTS;

	return &io_torture.slots[thread_random(&dispatcher->thread, count)];
}

void *dispatcher_main(void *number)
{
	this_dispatcher = &io_torture.dispatchers[(uintptr_t)number];
	thread_init(&this_dispatcher->thread, THREAD_DISPATCHER,
		    (unsigned int)(uintptr_t)number);
	this_dispatcher->number = (uint64_t)this_dispatcher->thread.number
				  << 32;
	while (!torture_stopped()) {
		thread_does(&this_dispatcher->thread, "makes an access", NULL);
		dispatch(this_dispatcher, some_slot(this_dispatcher));
	}
	thread_done(&this_dispatcher->thread);
	return NULL;
}
