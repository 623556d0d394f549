// SPDX-License-Identifier: MIT
/*
 * Explores the grace period of src/srcu/gp.c and the readers of belfry/srcu.h:
 * every interleaving of the real source, and every delay of a buffered store,
 * for a few sections and grace periods.
 *
 *	srcu_explore [--expect-failure]
 *
 * Exits with 0 if all scenarios pass (or, with the option, if one fails).
 */
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "intercept.h"

#include "srcu/gp.c"
#include "srcu/reader.c"

#define NR_SLOTS   MACHINE_THREADS
#define NR_OBJECTS 3

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

static void wait_for_readers(void);

static unsigned int thread_number(void)
{
	return machine_self();
}

#include "srcu_scenario.h"
#include "srcu_rseq.h"
#include "srcu_stubs.h"

static void membarrier(void)
{
#ifndef WITHOUT_MEMBARRIER
	machine_membarrier();
#endif
}

static void wait_for_readers(void)
{
	bf_srcu_gp_start(&world.domain);
	if (world.domain.membarrier)
		membarrier();
	while (!bf_srcu_gp_advance(&world.domain)) {
		/* The updater's later actions depend on memory alone. */
		machine_checkpoint(0);
		machine_wait();
	}
}

static void reader(void *sections)
{
	for (unsigned int i = 0; i < (uintptr_t)sections; i++) {
		machine_checkpoint(i);
		read_once();
	}
}

static void updater(void *updates)
{
	for (unsigned int i = 0; i < (uintptr_t)updates; i++)
		update();
}

/* Ends grace periods that the poller below polls for. */
static void drive(void *count)
{
	for (unsigned int i = 0; i < (uintptr_t)count; i++)
		wait_for_readers();
	__atomic_store_n(&world.driven, true, __ATOMIC_RELAXED);
}

/* Gives up if it comes too late for the last grace period. */
static void poller(void *unused)
{
	struct object *old = publish();
	unsigned long cookie = get_state_synchronize_srcu(&world.domain);

	while (!poll_state_synchronize_srcu(&world.domain, cookie)) {
		if (__atomic_load_n(&world.driven, __ATOMIC_RELAXED)) {
			world.updates = 0;
			return;
		}
		machine_checkpoint((unsigned int)cookie);
		machine_wait();
	}
	poison(old);
}

/* As in the kernel's litmus test C-srcu-observed-2, and its kind. */
static void update_and_look(void *updates)
{
	updater(updates);
	world.seen = __atomic_load_n(&world.stored_by_third, __ATOMIC_RELAXED);
	world.looked = true;
}

static void store_in_section(void *unused)
{
	struct section section;

	section_enter(&section);
	world.section_was_old =
		srcu_dereference(world.published, &world.domain) ==
		&world.objects[0];
	__atomic_store_n(&world.stored, 1, __ATOMIC_RELAXED);
	section_leave(&section);
}

static void store_and_look(void *unused)
{
	__atomic_store_n(&world.stored_by_third, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	world.seen_by_third = __atomic_load_n(&world.stored, __ATOMIC_RELAXED);
}

/* A section that begins in one thread and ends in another. */
static void hand_over_section(void *unused)
{
	int idx = srcu_down_read(&world.domain);
	struct object *object =
		srcu_dereference(world.published, &world.domain);

	check_live(object);
	__atomic_store_n(&world.handed_idx, idx, __ATOMIC_RELAXED);
	__atomic_store_n(&world.handed_object, object, __ATOMIC_RELEASE);
}

static void end_handed_section(void *unused)
{
	struct object *object;

	while (!(object = __atomic_load_n(&world.handed_object,
					  __ATOMIC_ACQUIRE))) {
		machine_checkpoint(0);
		machine_wait();
	}
	mark(object);
	srcu_up_read(&world.domain,
		     __atomic_load_n(&world.handed_idx, __ATOMIC_RELAXED));
}

static const struct scenario {
	const char *name;
	bool fast, rseq;
	uintptr_t updates, sections; /* of each reader */
	void (*threads[3])(void *count);
} scenarios[] = {
	{"a reader, polled", false, true, 3, 1, {drive, reader, poller}},
	{"observed by a third thread",
	 false,
	 true,
	 1,
	 1,
	 {update_and_look, store_in_section, store_and_look}},
	{"a hand-over, 2 updates",
	 false,
	 true,
	 2,
	 1,
	 {updater, hand_over_section, end_handed_section}},
	{"a hand-over in a fast domain",
	 true,
	 true,
	 2,
	 1,
	 {updater, hand_over_section, end_handed_section}},
	{"2 fast readers without membarrier(2)",
	 true,
	 false,
	 1,
	 1,
	 {updater, reader, reader}},
	{"2 atomic readers, 2 updates",
	 false,
	 false,
	 2,
	 1,
	 {updater, reader, reader}},
	{"2 readers, 2 updates", false, true, 2, 1, {updater, reader, reader}},
	{"1 reader of 3 sections, 2 updates",
	 false,
	 true,
	 2,
	 3,
	 {updater, reader}},
	{"2 fast readers, 2 updates",
	 true,
	 true,
	 2,
	 1,
	 {updater, reader, reader}},
	{"1 fast reader of 3 sections", true, true, 2, 3, {updater, reader}},
	{"2 readers of 2 sections", false, true, 1, 2, {updater, reader, reader}},
};

static const struct scenario *scenario;

static void init(void)
{
	memset(&world, 0, sizeof(world));
	world_init(scenario->fast);
	rseq_works = scenario->rseq;
	/* A domain without membarrier(2) has no inline readers. */
	if (scenario->fast && !scenario->rseq) {
		world.domain.membarrier = false;
		world.domain.rseq_slots = NULL;
		world.domain.fast_bank = NULL;
	}
}

static struct explore_result explore_scenario(void)
{
	void *sections = (void *)scenario->sections;
	struct machine_program program = {
		.init = init,
		.threads = {scenario->threads[0], scenario->threads[1],
			    scenario->threads[2]},
		.args = {(void *)scenario->updates, sections, sections},
		.nr_threads = scenario->threads[2] ? 3 : 2,
		.check = world_check,
		.world = &world,
		.world_size = sizeof(world),
	};

	return explore(&program, explore_memory);
}

/* Sections overlap without end, so only the flip lets the wait end. */
static const char *check_progress(void)
{
	int i, idx, next;

	memset(&world, 0, sizeof(world));
	world_init(false);
	rseq_works = false;
	idx = srcu_read_lock(&world.domain);
	bf_srcu_gp_start(&world.domain);
	for (i = 0; i < 100; i++) {
		next = srcu_read_lock(&world.domain);
		srcu_read_unlock(&world.domain, idx);
		if (bf_srcu_gp_advance(&world.domain))
			return NULL;
		idx = next;
	}
	return "a grace period waits for sections that began after it";
}

#define NR_SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

/* The last scenario does not run on the machine. */
static const char *select_scenario(size_t n)
{
	if (n > NR_SCENARIOS)
		return NULL;
	scenario = n < NR_SCENARIOS ? &scenarios[n] : NULL;
	return scenario ? scenario->name : "endless readers";
}

static struct explore_result explore_selected(void)
{
	return scenario ? explore_scenario() :
			  (struct explore_result){.failure = check_progress()};
}

int main(int argc, char **argv)
{
	const struct explore_model model = {select_scenario, explore_selected};

	return explore_main(argc, argv, &model);
}
