// SPDX-License-Identifier: MIT
/*
 * Explores accesses to ranges (src/io_bus/access.c, range.h) beside their
 * removal, by a new state (change.c) and in place (region.c), beside a doorbell
 * that is added inside a range, and the grace periods under them: every
 * interleaving of the real source, and every delay of a buffered store.
 *
 *	io_range_explore [--expect-failure]
 *
 * Exits with 0 when nothing (or, with the option, something) is wrong.  The
 * machine executes loads in program order.
 */
#include "io_bus_world.h"

#define GOING	0x1000
#define STAYING 0x1010
#define SIZE	0x10
#define BELL	0x2000
#define LEN	4

static struct bf_io_range *the_range; /* that goes; in the world */

/* Who took a thread's last access. */
static const struct consumer *takers[MACHINE_THREADS];

static void take(void *opaque)
{
	check_called(opaque);
	takers[machine_self()] = opaque;
}

static int be_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	take(opaque);
	return 0;
}

static int be_written(void *opaque, uint64_t offset, const void *data,
		      uint32_t len)
{
	take(opaque);
	return 0;
}

static void be_rung(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
	take(opaque);
}

static const struct bf_io_ops ops = {.read = be_read, .write = be_written};

/* Threads that change the bus. */

static void remove_one(void *unused)
{
	bf_io_remove_range(&world.bus, the_range);
	let_go(&world.going);
}

static void remove_one_async(void *unused)
{
	bf_io_remove_range_async(&world.bus, the_range, let_go, &world.going);
}

/* Nobody waits for those who found it before: it stays as it was. */
static void hide_one(void *unused)
{
	bf_io_remove_range_async(&world.bus, the_range, NULL, NULL);
}

static void add_bell_at(uint64_t addr)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = addr,
		.len = LEN,
		.wildcard = true,
		.ring = be_rung,
		.opaque = &world.coming,
	};

	add_bell(&desc);
}

static void add_inside(void *unused)
{
	add_bell_at(STAYING);
}

static void add_inside_and_tell(void *unused)
{
	add_bell_at(STAYING);
	tell();
}

static const struct scenario {
	const char *name;
	void (*change)(void *unused);
	void (*accesses[2])(void *unused);
	bool in_place;
	bool shared; /* with a doorbell, which is asked first about writes */
} * scenario;

/* Who took it? */
static const struct consumer *access_at(uint64_t addr, bool write)
{
	const struct consumer **taker = &takers[machine_self()];
	uint32_t data = 0;
	const struct bf_io_access access = {
		.addr = addr,
		.data = &data,
		.len = LEN,
		.write = write,
	};

	*taker = NULL;
	check(!bf_io_access(&world.bus, &access) == !!*taker,
	      "an access was taken by nobody, or answered so");
	return *taker;
}

static bool find_going(void)
{
	return access_at(GOING, scenario->shared) == &world.going;
}

static bool find_staying(void)
{
	return access_at(STAYING, scenario->shared) == &world.staying;
}

static bool ring_coming(void)
{
	return access_at(STAYING, true) == &world.coming;
}

/* Threads that access a range that goes. */

static void find_twice(void *unused)
{
	if (!find_going())
		check(!find_going(), "a range was found after a miss");
}

static void find_both(void *unused)
{
	find_going();
	check(find_staying(), "a range was missed that stays");
}

/* One thread misses the range, and tells the other one. */

static void tell_of_miss(void *unused)
{
	if (!find_going())
		tell();
}

static void find_after_miss(void *unused)
{
	const bool missed = was_told();

	check(!find_going() || !missed,
	      "a range was found that another thread missed");
}

/* Threads that write where a doorbell comes; the range was there first. */

/* Told that it is registered, or that it was rung. */
static void ring_after_telling(void *unused)
{
	const bool told = was_told();

	check(ring_coming() || !told, "a doorbell was missed that is there");
}

static void tell_of_ring(void *unused)
{
	if (ring_coming())
		tell();
}

static const struct scenario scenarios[] = {
	{"removed", remove_one, {find_twice}, false, false},
	{"removed, beside another", remove_one, {find_both}, false, false},
	{"removed, shared", remove_one, {find_twice}, false, true},
	{"removed, missed by another thread",
	 hide_one,
	 {find_after_miss, tell_of_miss},
	 false,
	 false},
	{"removed, not waited for",
	 remove_one_async,
	 {find_twice},
	 false,
	 false},
	{"in place", remove_one, {find_twice}, true, false},
	{"in place, beside another", remove_one, {find_both}, true, false},
	{"in place, missed by another thread",
	 hide_one,
	 {find_after_miss, tell_of_miss},
	 true,
	 false},
	{"in place, not waited for",
	 remove_one_async,
	 {find_twice},
	 true,
	 false},
	{"in place, shared", remove_one, {find_twice}, true, true},
	{"doorbell inside, registered",
	 add_inside_and_tell,
	 {ring_after_telling},
	 false,
	 false},
	{"doorbell inside, rung by another thread",
	 add_inside,
	 {ring_after_telling, tell_of_ring},
	 false,
	 false},
};

static struct bf_io_range *add_range(uint64_t addr, struct consumer *consumer)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = SIZE,
		.ops = &ops,
		.opaque = consumer,
	};
	struct bf_io_range *range = NULL;

	check(!bf_io_add_range(&world.bus, &desc, &range, NULL),
	      "a registration failed");
	return range;
}

static bool is_removal(void)
{
	return scenario->change != add_inside &&
	       scenario->change != add_inside_and_tell;
}

static void init(void)
{
	init_bus();
	add_range(STAYING, &world.staying);
	the_range = is_removal() ? add_range(GOING, &world.going) : NULL;
	if (scenario->shared)
		add_bell_at(BELL);
	world.no_memory = scenario->in_place;
}

static void check_end(void)
{
	if (!is_removal()) {
		check(ring_coming(), "a doorbell is missed at the end");
		return;
	}
	check(world.going.gone || scenario->change == hide_one,
	      "a removal is not over at the end");
	check(find_staying(), "a range that stays is not found at the end");
	check(!find_going(), "a removed range is found at the end");
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->accesses[0], scenario->change,
			    scenario->accesses[1]},
		.nr_threads = scenario->accesses[1] ? 3 : 2,
		.check = check_end,
		.world = &world,
		.world_size = sizeof(world),
	};

	/* PSO: whatever TSO does is in it. */
	return explore(&program, MACHINE_PSO);
}

#include "explore_scenarios.h"
