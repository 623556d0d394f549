// SPDX-License-Identifier: MIT
/*
 * Explores the beginning and the end of a domain (src/srcu/domain.c): its first
 * grace period beside readers, a section that began before the domain was set
 * up, its hand-over to another thread, and its end.
 *
 *	srcu_domain_explore [--views] [--expect-failure]
 *
 * Under --views a plain access that is not ordered against one of another
 * thread is a failure.
 */
#define ARENA_SIZE 1024
#include "sleep.h"
#include "arena.h"

#include <errno.h>
#include <stdio.h>

#include "base/util.h"

/* One process; its constructor has run. */
#define pthread_once(once, function)	((void)(once), (void)(function))
#define pthread_mutex_init(mutex, attr) memset((mutex), 0, sizeof(*(mutex)))
#define pthread_mutex_destroy(mutex)	memset((mutex), 0, sizeof(*(mutex)))
#define pthread_atfork(before, in, after) \
	((void)(before), (void)(in), (void)(after))
#define aligned_alloc(align, size) world_alloc(size)

#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu/domain.c"
#include "srcu_rseq.h"
#include "srcu_stubs.h"

#define NR_SLOTS MACHINE_THREADS

static struct {
	struct bf_srcu domain;
	struct bf_srcu *handed_over;
	struct arena arena;
	int idx; /* of a section that began before the set-up */
	int published, poisoned;
	int left; /* readers */
	int callback_data;
} world;

static void *world_alloc(size_t size)
{
	return arena_alloc(&world.arena, size);
}

bool bf_srcu_tracking(void)
{
	return false;
}

void bf_srcu_track(bool on)
{
}

void bf_srcu_track_before_fork(void)
{
}

void bf_srcu_track_after_fork(bool in_child)
{
}

void bf_srcu_worker_after_fork(void)
{
}

void bf_srcu_callbacks_after_fork(struct bf_srcu *ssp)
{
}

void bf_srcu_worker_forget(struct bf_srcu *ssp)
{
}

bool bf_srcu_membarrier_available(void)
{
	return true;
}

static void wait_for_readers(struct bf_srcu *ssp)
{
	bf_srcu_gp_start(ssp);
	if (ssp->membarrier)
		machine_membarrier();
	while (!bf_srcu_gp_advance(ssp)) {
		machine_checkpoint(0);
		machine_wait();
	}
}

static void publish_and_poison(struct bf_srcu *ssp)
{
	__atomic_store_n(&world.published, 1, __ATOMIC_RELEASE);
	wait_for_readers(ssp);
	__atomic_store_n(&world.poisoned, 1, __ATOMIC_RELAXED);
}

static void check_live(int published)
{
	check(published || !__atomic_load_n(&world.poisoned, __ATOMIC_RELAXED),
	      "an object was poisoned under a reader");
}

static void read_object(struct bf_srcu *ssp)
{
	int idx = srcu_read_lock(ssp);

	check_live(__atomic_load_n(&world.published, __ATOMIC_ACQUIRE));
	srcu_read_unlock(ssp, idx);
}

static void read_object_fast(struct bf_srcu *ssp)
{
	struct srcu_ctr *scp = srcu_read_lock_fast(ssp);

	check_live(__atomic_load_n(&world.published, __ATOMIC_ACQUIRE));
	srcu_read_unlock_fast(ssp, scp);
}

/* A domain of BF_SRCU_DEFINE(), and a section that is older than its set-up. */

static void update_first(void *unused)
{
	publish_and_poison(&world.domain);
}

static void read_defined(void *unused)
{
	read_object(&world.domain);
}

static void end_early_section(void *unused)
{
	check_live(0);
	srcu_read_unlock(&world.domain, world.idx);
}

static void define_around_section(void)
{
	const struct __bf_srcu_def def = {&world.domain, "defined", false};

	world.idx = srcu_read_lock(&world.domain);
	__bf_srcu_define(&def, &def + 1);
}

/* One thread sets a domain up and hands it over; the other one updates. */

static void set_up(int (*init)(struct bf_srcu *ssp, const char *name))
{
	check(!init(&world.domain, "made"), "a domain was not set up");
	__atomic_store_n(&world.handed_over, &world.domain, __ATOMIC_RELEASE);
}

static void make_and_read(void *unused)
{
	set_up(bf_srcu_init);
	read_object(&world.domain);
}

static void make_and_read_fast(void *unused)
{
	set_up(bf_srcu_init_fast);
	read_object_fast(&world.domain);
}

static void update_handed_over(void *unused)
{
	struct bf_srcu *ssp =
		__atomic_load_n(&world.handed_over, __ATOMIC_ACQUIRE);

	if (ssp)
		publish_and_poison(ssp);
}

/* A domain ends when its readers have left. */

static void read_and_leave(void *unused)
{
	read_object(&world.domain);
	__atomic_fetch_add(&world.left, 1, __ATOMIC_RELEASE);
}

static void end_domain(void *unused)
{
	if (__atomic_load_n(&world.left, __ATOMIC_ACQUIRE) < 2)
		return;
	check(!bf_srcu_cleanup(&world.domain), "an unused domain was busy");
	machine_plain(&world.domain, sizeof(world.domain), true);
}

/* ... and when its last callback has returned: see run_callback(). */

static void return_from_callback(void *unused)
{
	world.callback_data = 1;
	__atomic_fetch_sub(&world.domain.cb_count, 1, __ATOMIC_RELEASE);
}

static void end_after_callback(void *unused)
{
	if (!bf_srcu_cleanup(&world.domain))
		check(world.callback_data, "a domain ended before a callback");
}

static void init_with_callback(void)
{
	bf_srcu_init(&world.domain, "ending");
	world.domain.cb_count = 1;
}

static void init_fenced(void)
{
	bf_srcu_init(&world.domain, "ending");
}

static void do_nothing(void)
{
}

static const struct scenario {
	const char *name;
	void (*threads[3])(void *unused);
	void (*set_up)(void);
} scenarios[] = {
	{"a section before the set-up",
	 {update_first, end_early_section, read_defined},
	 define_around_section},
	{"a hand-over", {make_and_read, update_handed_over}, do_nothing},
	{"a hand-over of a fast domain",
	 {make_and_read_fast, update_handed_over},
	 do_nothing},
	{"an end behind a callback",
	 {return_from_callback, end_after_callback},
	 init_with_callback},
	{"an end", {read_and_leave, read_and_leave, end_domain}, init_fenced},
};

static const struct scenario *scenario;

static void init(void)
{
	memset(&world, 0, sizeof(world));
	memset(&kernel, 0, sizeof(kernel));
	memset(&all_lock, 0, sizeof(all_lock));
	all_domains = NULL;
	bf_srcu_nr_slots = NR_SLOTS;
	scenario->set_up();
}

static void check_end(void)
{
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->threads[0], scenario->threads[1],
			    scenario->threads[2]},
		.nr_threads = scenario->threads[2] ? 3 : 2,
		.check = check_end,
		.world = &world,
		.world_size = sizeof(world),
		.statics = {{&kernel, sizeof(kernel)},
			    {&all_domains, sizeof(all_domains)},
			    {&all_lock, sizeof(all_lock)}},
	};

	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
