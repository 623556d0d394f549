// SPDX-License-Identifier: MIT
/*
 * Explores writes to doorbells (src/io_bus/dispatch.c, doorbell.c) beside a
 * removal, which publishes a new state (bus.c) or clears the doorbell in place,
 * with the grace periods under both: every interleaving of the real source, and
 * every delay of a buffered store.
 *
 *	io_bus_explore [--expect-failure]
 *
 * Exits with 0 if all scenarios pass (or, with the option, if one fails).  The
 * machine executes loads in program order.
 */
#include "io_bus_world.h"

#define ADDR 0x1000
#define LEN  4

static struct bf_io_doorbell *the_doorbell; /* to be removed; in the world */

/* Threads that remove the doorbell. */

static void remove_one(void *unused)
{
	bf_doorbell_remove(&world.bus, the_doorbell);
	set_gone(&world.removed);
}

static void remove_one_async(void *unused)
{
	bf_io_remove_doorbell_async(&world.bus, the_doorbell, set_gone,
				    &world.removed);
}

static void be_signalled(void *opaque, uint64_t value,
			 const struct bf_io_access *access)
{
	struct consumer *consumer = opaque;

	check(value == consumer->value, "another doorbell was signalled");
	check_called(consumer);
}

/* Returns true if a doorbell took the write. */
static bool write_value(uint64_t value)
{
	const uint32_t data = (uint32_t)value;
	struct bf_io_access access = {
		.addr = ADDR,
		.data = (void *)(uintptr_t)&data,
		.len = LEN,
		.write = true,
	};

	return !bf_io_dispatch(&world.bus, &access);
}

static bool signal_removed(void)
{
	return write_value(world.removed.value);
}

static bool signal_kept(void)
{
	return write_value(world.kept.value);
}

/* Threads that write. */

static void write_twice(void *unused)
{
	if (!signal_removed())
		check(!signal_removed(), "a doorbell was found after a miss");
}

static void write_both(void *unused)
{
	signal_removed();
	check(signal_kept(), "a doorbell was missed that stays");
}

/* One thread misses the doorbell and sets a flag for the other thread. */

static void flag_miss(void *unused)
{
	if (!signal_removed())
		set_flag();
}

static void write_after_miss(void *unused)
{
	const bool other_missed = flag_is_set();

	check(!signal_removed() || !other_missed,
	      "a doorbell was found that another thread missed");
}

static const struct scenario {
	const char *name;
	void (*remove)(void *unused);
	void (*writers[2])(void *unused);
	bool in_place;
	bool by_value; /* another doorbell at its address stays */
} scenarios[] = {
	{"removed", remove_one, {write_twice}, false, false},
	{"removed, by value", remove_one, {write_both}, false, true},
	{"removed, asynchronously",
	 remove_one_async,
	 {write_twice},
	 false,
	 false},
	{"in place", remove_one, {write_twice}, true, false},
	{"in place, by value", remove_one, {write_both}, true, true},
	{"in place, asynchronously",
	 remove_one_async,
	 {write_twice},
	 true,
	 false},
	{"removed, missed by another thread",
	 remove_one,
	 {write_after_miss, flag_miss},
	 false,
	 false},
	{"in place, missed by another thread",
	 remove_one,
	 {write_after_miss, flag_miss},
	 true,
	 false},
};

static const struct scenario *scenario;

static struct bf_io_doorbell *add_for(struct consumer *consumer, uint64_t value)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = ADDR,
		.datamatch = value,
		.len = LEN,
		.wildcard = !scenario->by_value,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = be_signalled,
		.opaque = consumer,
	};

	consumer->value = value;
	return add_doorbell(&desc);
}

static void init(void)
{
	init_bus();
	the_doorbell = add_for(&world.removed, 1);
	if (scenario->by_value)
		add_for(&world.kept, 2);
	world.arena.no_memory = scenario->in_place;
}

static void check_end(void)
{
	check(world.removed.gone, "a removal is not complete at the end");
	check(signal_kept() == scenario->by_value,
	      "a doorbell that stays is not found at the end, or alone");
	check(!signal_removed(), "a removed doorbell is found at the end");
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->writers[0], scenario->remove,
			    scenario->writers[1]},
		.nr_threads = scenario->writers[1] ? 3 : 2,
		.check = check_end,
		.world = &world,
		.world_size = sizeof(world),
	};

	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
