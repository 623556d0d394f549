// SPDX-License-Identifier: MIT
/*
 * Explores writes to doorbells (src/io_bus/access.c, doorbell.c) beside their
 * removal, by a new state (change.c) and in place (doorbell_table.c), and the
 * grace periods under them: every interleaving of the real source, and every
 * delay of a buffered store.
 *
 *	io_bus_explore [--expect-failure]
 *
 * Exits with 0 when nothing (or, with the option, something) is wrong.  The
 * machine executes loads in program order.
 */
#include "io_bus_world.h"

#define ADDR 0x1000
#define LEN  4

static struct bf_io_doorbell *the_doorbell; /* that goes; in the world */

/* There are no ranges. */

struct bf_span_entry *bf_span_last(const struct bf_span_node *root,
				   uint64_t *first)
{
	machine_fail("ranges were searched");
	return NULL;
}

int bf_range_missed(struct bf_io_bus *bus, const struct bf_io_access *access)
{
	return -EOPNOTSUPP;
}

int bf_range_call_counted(struct bf_io_bus *bus,
			  const struct bf_range_entry *range, uint64_t offset,
			  const struct bf_io_access *access)
{
	machine_fail("a range was found");
	return 0;
}

/* Threads that remove. */

static void remove_one(void *unused)
{
	bf_doorbell_remove(&world.bus, the_doorbell);
	let_go(&world.going);
}

static void remove_one_async(void *unused)
{
	bf_io_remove_doorbell_async(&world.bus, the_doorbell, let_go,
				    &world.going);
}

static void be_rung(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
	struct consumer *consumer = opaque;

	check(value == consumer->value, "another doorbell was rung");
	check_called(consumer);
}

/* True: a doorbell took the write. */
static bool write_value(uint64_t value)
{
	const uint32_t data = (uint32_t)value;
	const struct bf_io_access access = {
		.addr = ADDR,
		.data = (void *)(uintptr_t)&data,
		.len = LEN,
		.write = true,
	};

	return !bf_io_access(&world.bus, &access);
}

static bool ring_going(void)
{
	return write_value(world.going.value);
}

static bool ring_staying(void)
{
	return write_value(world.staying.value);
}

/* Threads that write. */

static void ring_twice(void *unused)
{
	if (!ring_going())
		check(!ring_going(), "a doorbell was found after a miss");
}

static void ring_both(void *unused)
{
	ring_going();
	check(ring_staying(), "a doorbell was missed that stays");
}

/* One thread misses the doorbell, and tells the other one. */

static void tell_of_miss(void *unused)
{
	if (!ring_going())
		tell();
}

static void ring_after_miss(void *unused)
{
	const bool missed = was_told();

	check(!ring_going() || !missed,
	      "a doorbell was found that another thread missed");
}

static const struct scenario {
	const char *name;
	void (*remove)(void *unused);
	void (*rings[2])(void *unused);
	bool in_place;
	bool by_value; /* and at its address another one stays */
} scenarios[] = {
	{"removed", remove_one, {ring_twice}, false, false},
	{"removed, by value", remove_one, {ring_both}, false, true},
	{"removed, not waited for",
	 remove_one_async,
	 {ring_twice},
	 false,
	 false},
	{"in place", remove_one, {ring_twice}, true, false},
	{"in place, by value", remove_one, {ring_both}, true, true},
	{"in place, not waited for",
	 remove_one_async,
	 {ring_twice},
	 true,
	 false},
	{"removed, missed by another thread",
	 remove_one,
	 {ring_after_miss, tell_of_miss},
	 false,
	 false},
	{"in place, missed by another thread",
	 remove_one,
	 {ring_after_miss, tell_of_miss},
	 true,
	 false},
};

static const struct scenario *scenario;

static struct bf_io_doorbell *add_of(struct consumer *consumer, uint64_t value)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = ADDR,
		.datamatch = value,
		.len = LEN,
		.wildcard = !scenario->by_value,
		.ring = be_rung,
		.opaque = consumer,
	};

	consumer->value = value;
	return add_bell(&desc);
}

static void init(void)
{
	init_bus();
	the_doorbell = add_of(&world.going, 1);
	if (scenario->by_value)
		add_of(&world.staying, 2);
	world.no_memory = scenario->in_place;
}

static void check_end(void)
{
	check(world.going.gone, "a removal is not over at the end");
	check(ring_staying() == scenario->by_value,
	      "a doorbell that stays is not found at the end, or alone");
	check(!ring_going(), "a removed doorbell is found at the end");
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->rings[0], scenario->remove,
			    scenario->rings[1]},
		.nr_threads = scenario->rings[1] ? 3 : 2,
		.check = check_end,
		.world = &world,
		.world_size = sizeof(world),
	};

	/* PSO: whatever TSO does is in it. */
	return explore(&program, MACHINE_PSO);
}

#include "explore_scenarios.h"
