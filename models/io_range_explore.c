// SPDX-License-Identifier: MIT
/*
 * Explores accesses to ranges (src/io_bus/dispatch.c, region.c) beside a
 * removal, which publishes a new state (bus.c) or clears the entry in place,
 * beside the addition of a doorbell inside a range, and beside changes of the
 * range above another one, with the grace periods under them: every
 * interleaving of the real source, and every delay of a buffered store.
 *
 *	io_range_explore [--expect-failure]
 *
 * Exits with 0 if all scenarios pass (or, with the option, if one fails).  The
 * machine executes loads in program order.
 */
#include "io_bus_world.h"

#define REMOVED	 0x1000
#define KEPT	 0x1010
#define SIZE	 0x10
#define DOORBELL 0x2000
#define LEN	 4

static struct bf_io_range *the_range; /* to be removed; in the world */

/* The consumer that took a thread's last access. */
static const struct consumer *takers[MACHINE_THREADS];

static void note_taker(void *opaque)
{
	check_called(opaque);
	takers[machine_self()] = opaque;
}

static int be_read(void *opaque, uint64_t offset,
		   const struct bf_io_access *access)
{
	note_taker(opaque);
	return 0;
}

static int be_written(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	note_taker(opaque);
	return 0;
}

static void be_signalled(void *opaque, uint64_t value,
			 const struct bf_io_access *access)
{
	note_taker(opaque);
}

static const struct bf_io_ops ops = {.read = be_read, .write = be_written};
static const struct bf_io_ops declining_ops;

static struct bf_io_range *add_range(uint64_t addr, uint64_t size, int priority,
				     const struct bf_io_ops *handlers,
				     struct consumer *consumer)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = size,
		.ops = handlers,
		.opaque = consumer,
		.priority = priority,
	};
	struct bf_io_range *range = NULL;

	check(!bf_io_add_range(&world.bus, &desc, &range, NULL),
	      "a registration failed");
	return range;
}

/* Threads that change the bus. */

static void remove_one(void *unused)
{
	bf_io_remove_range(&world.bus, the_range);
	set_gone(&world.removed);
}

static void remove_one_async(void *unused)
{
	bf_io_remove_range_async(&world.bus, the_range, set_gone,
				 &world.removed);
}

/* No thread waits for readers of the range, which stays valid. */
static void remove_without_wait(void *unused)
{
	bf_io_remove_range_async(&world.bus, the_range, NULL, NULL);
}

static void add_doorbell_at(uint64_t addr)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = addr,
		.len = LEN,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = be_signalled,
		.opaque = &world.added,
	};

	add_doorbell(&desc);
}

static void add_inside(void *unused)
{
	add_doorbell_at(KEPT);
}

static void add_inside_and_set_flag(void *unused)
{
	add_doorbell_at(KEPT);
	set_flag();
}

/* The ranges of the new priority are the first layer. */
static void add_above_and_set_flag(void *unused)
{
	add_range(KEPT, SIZE, 1, &ops, &world.added);
	set_flag();
}

enum {
	IN_PLACE = 1, /* there is no memory */
	SHARED = 2,   /* the space has a doorbell, too; accesses are writes */
	COVERS = 4,   /* the range that stays lies under all others */
	DECLINES = 8, /* the removed range does */
};

static const struct scenario {
	const char *name;
	void (*change)(void *unused);
	void (*accesses[2])(void *unused);
	unsigned int flags;
} * scenario;

/* Returns the consumer that took the access, or NULL. */
static const struct consumer *access_at(uint64_t addr, bool write)
{
	const struct consumer **taker = &takers[machine_self()];
	uint32_t data = 0;
	struct bf_io_access access = {
		.addr = addr,
		.data = &data,
		.len = LEN,
		.write = write,
	};

	*taker = NULL;
	check(!bf_io_dispatch(&world.bus, &access) == !!*taker,
	      "an answer does not agree with the call");
	check(*taker || !(scenario->flags & COVERS),
	      "an access was missed that a lower range contains");
	return *taker;
}

static bool find_removed(void)
{
	return access_at(REMOVED, scenario->flags & SHARED) == &world.removed;
}

static bool find_kept(void)
{
	return access_at(KEPT, scenario->flags & SHARED) == &world.kept;
}

static bool signal_added(void)
{
	return access_at(KEPT, true) == &world.added;
}

/* Threads that access the range that is removed. */

static void find_twice(void *unused)
{
	if (!find_removed())
		check(!find_removed(), "a range was found after a miss");
}

static void find_both(void *unused)
{
	find_removed();
	check(find_kept(), "a range was missed that stays");
}

/* One thread misses the range and sets a flag for the other thread. */

static void flag_miss(void *unused)
{
	if (!find_removed())
		set_flag();
}

static void find_after_miss(void *unused)
{
	const bool other_missed = flag_is_set();

	check(!find_removed() || !other_missed,
	      "a range was found that another thread missed");
}

/* Threads that write to a range in which a doorbell is added. */

/* The flag means that the doorbell was registered, or that it was signalled. */
static void signal_after_flag(void *unused)
{
	const bool flagged = flag_is_set();

	check(signal_added() || !flagged, "a registered doorbell was missed");
}

static void flag_signal(void *unused)
{
	if (signal_added())
		set_flag();
}

static const struct scenario scenarios[] = {
	{"removed", remove_one, {find_twice}, 0},
	{"removed, beside another", remove_one, {find_both}, 0},
	{"removed, shared", remove_one, {find_twice}, SHARED},
	{"removed, missed by another thread",
	 remove_without_wait,
	 {find_after_miss, flag_miss},
	 0},
	{"removed, asynchronously", remove_one_async, {find_twice}, 0},
	{"in place", remove_one, {find_twice}, IN_PLACE},
	{"in place, beside another", remove_one, {find_both}, IN_PLACE},
	{"in place, missed by another thread",
	 remove_without_wait,
	 {find_after_miss, flag_miss},
	 IN_PLACE},
	{"in place, asynchronously", remove_one_async, {find_twice}, IN_PLACE},
	{"in place, shared", remove_one, {find_twice}, IN_PLACE | SHARED},
	{"doorbell inside, registered",
	 add_inside_and_set_flag,
	 {signal_after_flag},
	 0},
	{"doorbell inside, signalled by another thread",
	 add_inside,
	 {signal_after_flag, flag_signal},
	 0},
	{"uncovered", remove_one, {find_twice}, COVERS},
	{"uncovered, in place", remove_one, {find_twice}, COVERS | IN_PLACE},
	{"uncovered, having declined",
	 remove_one,
	 {find_twice},
	 COVERS | DECLINES},
	{"uncovered, having declined, in place",
	 remove_one,
	 {find_twice},
	 COVERS | DECLINES | IN_PLACE},
	{"covered, registered",
	 add_above_and_set_flag,
	 {signal_after_flag},
	 COVERS},
};

static bool is_removal(void)
{
	return scenario->change != add_inside &&
	       scenario->change != add_inside_and_set_flag &&
	       scenario->change != add_above_and_set_flag;
}

static void init(void)
{
	init_bus();
	if (scenario->flags & COVERS)
		add_range(REMOVED, KEPT + SIZE - REMOVED, -1, &ops,
			  &world.kept);
	else
		add_range(KEPT, SIZE, 0, &ops, &world.kept);
	the_range = NULL;
	if (is_removal())
		the_range = add_range(
			REMOVED, SIZE, 0,
			scenario->flags & DECLINES ? &declining_ops : &ops,
			&world.removed);
	if (scenario->flags & SHARED)
		add_doorbell_at(DOORBELL);
	world.arena.no_memory = scenario->flags & IN_PLACE;
}

static void check_end(void)
{
	if (!is_removal()) {
		check(signal_added(), "a doorbell is missed at the end");
		return;
	}
	check(world.removed.gone || scenario->change == remove_without_wait,
	      "a removal is not complete at the end");
	check(find_kept(), "a range that stays is not found at the end");
	check(!find_removed(), "a removed range is found at the end");
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

	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
