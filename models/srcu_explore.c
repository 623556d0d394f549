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

#include "srcu_scenario.h"
#include "srcu_stubs.h"

static void membarrier(void)
{
#ifndef WITHOUT_MEMBARRIER
	machine_membarrier();
#endif
}

/* Readers use restartable sequences, not atomic counters. */
static bool rseq_works;

static void wait_for_readers(void)
{
	bf_srcu_gp_start(&world.domain);
	if (world.domain.fast)
		membarrier();
	while (!bf_srcu_gp_advance(&world.domain)) {
		/* The updater's later actions depend on memory alone. */
		machine_checkpoint(0);
		machine_wait();
	}
}

/*
 * A restartable sequence as other threads see it: a load and a plain store to
 * the counter of this thread's CPU.  On x86 a store is a release.
 */
bool __bf_srcu_rseq_inc(unsigned long *word)
{
	if (!rseq_works)
		return false;
	word += machine_self() *
		(sizeof(struct __bf_srcu_slot) / sizeof(*word));
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
	return true;
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
	void (*readers[2])(void *sections);
} scenarios[] = {
	{"2 readers, 2 updates", false, true, 2, 1, {reader, reader}},
	{"2 readers of 2 sections", false, true, 1, 2, {reader, reader}},
	{"1 reader of 3 sections, 2 updates", false, true, 2, 3, {reader}},
	{"2 atomic readers, 2 updates", false, false, 2, 1, {reader, reader}},
	{"a hand-over, 2 updates",
	 false,
	 true,
	 2,
	 1,
	 {hand_over_section, end_handed_section}},
	{"2 fast readers, 2 updates", true, true, 2, 1, {reader, reader}},
	{"1 fast reader of 3 sections", true, true, 2, 3, {reader}},
	{"a hand-over in a fast domain",
	 true,
	 true,
	 2,
	 1,
	 {hand_over_section, end_handed_section}},
};

static const struct scenario *scenario;

static void init(void)
{
	world_init(scenario->fast);
	rseq_works = scenario->rseq;
}

static struct explore_result explore_scenario(void)
{
	void *sections = (void *)scenario->sections;
	struct machine_program program = {
		.init = init,
		.threads = {updater, scenario->readers[0],
			    scenario->readers[1]},
		.args = {(void *)scenario->updates, sections, sections},
		.nr_threads = scenario->readers[1] ? 3 : 2,
		.check = world_check,
		.world = &world,
		.world_size = sizeof(world),
	};

	/* PSO includes all that TSO allows. */
	return explore(&program, MACHINE_PSO);
}

/* Sections overlap without end, so only the flip lets the wait end. */
static const char *check_progress(void)
{
	int i, idx, next;

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
