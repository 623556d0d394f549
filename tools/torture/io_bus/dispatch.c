// SPDX-License-Identifier: MIT
/* Dispatchers of the bus torture: accesses, and what must become of them. */
#include <errno.h>

#include "torture_io_bus.h"
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
	dispatcher->actor.tallies[TALLY_WRITES]++;
}

static void end_write(struct dispatcher *dispatcher)
{
	dispatcher->write = dispatcher->write->outer;
	dispatcher->depth--;
}

/* Is there always somebody at this place? */
static bool is_covered(const struct slot *slot, uint64_t offset)
{
	return slot->kind == SLOT_COVERED && offset < RANGE_SIZE;
}

/* Are there writes that call nobody at this place? */
static bool may_be_silent(uint64_t offset)
{
	return offset == BELL_OFFSET ||
	       (offset >= ZONE_OFFSET && offset < ZONE_OFFSET + ZONE_SIZE);
}

static void check_nobody(struct dispatcher *dispatcher, struct slot *slot,
			 uint64_t offset, int ret)
{
	if (ret != -EOPNOTSUPP)
		torture_fail("an access was answered %d", ret);
	else if (is_covered(slot, offset))
		torture_fail("an access was lost where there is a range");
	dispatcher->actor.tallies[TALLY_NOBODY]++;
}

static void check_write(struct dispatcher *dispatcher, struct slot *slot,
			uint64_t offset, const struct write *write, int ret)
{
	if (write->delivered > (ret ? 0 : 1))
		torture_fail("a write was delivered %u times, answered %d",
			     write->delivered, ret);
	if (ret)
		check_nobody(dispatcher, slot, offset, ret);
	else if (!write->delivered && !may_be_silent(offset))
		torture_fail("a write was taken, and delivered to nobody");
	else if (!write->delivered)
		dispatcher->silent++;
}

static void write_once(struct dispatcher *dispatcher, struct slot *slot)
{
	static const uint64_t offsets[] = {
		0,	     BELL_OFFSET,     BELL_OFFSET,
		ZONE_OFFSET, ZONE_OFFSET + 8, RANGE_SIZE - 8,
		OTHER_PLACE,
	};
	uint64_t offset =
		offsets[actor_random(&dispatcher->actor, ARRAY_SIZE(offsets))];
	struct write write;
	struct bf_io_access access = {
		.addr = slot->base + offset,
		.data = &write.number,
		.len = 8,
		.write = true,
	};
	int ret;

	begin_write(dispatcher, &write);
	ret = bf_io_access(io_torture.bus, &access);
	end_write(dispatcher);
	check_write(dispatcher, slot, offset, &write, ret);
}

/* A doorbell that goes away in between leaves the rest to the range. */
static void write_string(struct dispatcher *dispatcher, struct slot *slot)
{
	struct write write;
	uint64_t data[STRING_COUNT];
	struct bf_io_access access = {
		.addr = slot->base + BELL_OFFSET,
		.data = data,
		.len = 8,
		.write = true,
	};
	int ret;

	begin_write(dispatcher, &write);
	for (unsigned int i = 0; i < STRING_COUNT; i++)
		data[i] = write.number;
	ret = bf_io_access_string(io_torture.bus, &access, STRING_COUNT);
	end_write(dispatcher);
	if (ret || write.delivered > STRING_COUNT)
		torture_fail("a string of %u writes was delivered %u times, "
			     "answered %d",
			     STRING_COUNT, write.delivered, ret);
	else
		dispatcher->silent += STRING_COUNT - write.delivered;
	dispatcher->actor.tallies[TALLY_STRINGS]++;
}

/* The first device's range and doorbell, then the other's; or other first. */
static bool in_order(const struct slot *slot, const struct write *write)
{
	unsigned int first = write->by[0] == slot->range[1];

	return write->by[0] == slot->range[first] &&
	       write->by[1] == slot->bell[first] &&
	       write->by[2] == slot->range[!first] &&
	       write->by[3] == slot->bell[!first];
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
	ret = bf_io_access_long(io_torture.bus, &access, &done);
	end_write(dispatcher);
	if (ret || done != sizeof(data) || write.delivered != LONG_PARTS)
		torture_fail("a move was seen half: %u of %u parts were taken, "
			     "%u delivered",
			     done / 8, LONG_PARTS, write.delivered);
	else if (!in_order(slot, &write))
		torture_fail("a move was seen half: one device was met twice");
	dispatcher->actor.tallies[TALLY_LONG]++;
}

void dispatch_write(struct dispatcher *dispatcher, struct slot *slot)
{
	if (slot->kind == SLOT_SWAPPED)
		write_long(dispatcher, slot);
	else if (slot->kind == SLOT_COVERED &&
		 !actor_random(&dispatcher->actor, 4))
		write_string(dispatcher, slot);
	else
		write_once(dispatcher, slot);
}

/* All elements are answered by the same range in the same life. */
static void check_string(const uint64_t *values)
{
	for (unsigned int i = 1; i < STRING_COUNT; i++)
		if (values[i] != values[0] || !values[i])
			torture_fail("a string met two states of the bus");
}

static void read_string(struct dispatcher *dispatcher, struct slot *slot)
{
	uint64_t values[STRING_COUNT] = {0};
	struct bf_io_access access = {
		.addr = slot->base,
		.data = values,
		.len = 8,
	};
	int ret = bf_io_access_string(io_torture.bus, &access, STRING_COUNT);

	if (ret)
		check_nobody(dispatcher, slot, 0, ret);
	else
		check_string(values);
	dispatcher->actor.tallies[TALLY_STRINGS]++;
}

static void read_once(struct dispatcher *dispatcher, struct slot *slot)
{
	uint64_t value = 0;
	struct bf_io_access access = {
		.addr = slot->base + BELL_OFFSET,
		.data = &value,
		.len = 8,
	};
	int ret = bf_io_access(io_torture.bus, &access);

	if (ret)
		check_nobody(dispatcher, slot, BELL_OFFSET, ret);
	else if (!value)
		torture_fail("a read was taken, and answered by nobody");
	dispatcher->actor.tallies[TALLY_READS]++;
}

static void dispatch(struct dispatcher *dispatcher, struct slot *slot)
{
	unsigned int dice = actor_random(&dispatcher->actor, 8);

	if (dice > 1 || slot->kind == SLOT_SWAPPED)
		dispatch_write(dispatcher, slot);
	else if (dice)
		read_string(dispatcher, slot);
	else
		read_once(dispatcher, slot);
}

/* Every other one stays where changes come thickest. */
static struct slot *some_slot(struct dispatcher *dispatcher)
{
	unsigned int count = dispatcher->actor.number % 2 ? 3 : NR_SLOTS;

	return &io_torture.slots[actor_random(&dispatcher->actor, count)];
}

void *dispatcher_main(void *number)
{
	self = &io_torture.dispatchers[(uintptr_t)number];
	actor_init(&self->actor, ACTOR_DISPATCHER,
		   (unsigned int)(uintptr_t)number);
	self->number = (uint64_t)self->actor.number << 32;
	while (!torture_stopped()) {
		actor_does(&self->actor, "makes an access", NULL);
		dispatch(self, some_slot(self));
	}
	actor_done(&self->actor);
	return NULL;
}
