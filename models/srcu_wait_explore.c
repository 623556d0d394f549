// SPDX-License-Identifier: MIT
/*
 * Explores callbacks, shared membarriers, and the sleep and wake-up of updaters
 * and of the worker: the real worker.c, wait.c, callback.c and membarrier.c, on
 * the grace period of gp.c.  The whole worker beside a caller has too many
 * states, so each scenario has one hand-over between two of these parts.
 *
 *	srcu_wait_explore [--views] [--expect-failure]
 *
 * A wake-up that is lost is a deadlock.  Sleeps with a limit below that of a
 * fast domain end at any time, because a fenced domain loses wake-ups on
 * purpose: see src/srcu/wait.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "explore.h"
#include "intercept.h"

#include "base/util.h"
#include "belfry/srcu.h"
#include "sleep.h"

#define NR_SLOTS MACHINE_THREADS

/* Time does not pass, and a domain without a pace need not wait for it. */
#define BF_CLOCK_H
static uint64_t bf_now_ns(void)
{
	return 0;
}

#define nanosleep(time, rest) ((void)(time))
#define prctl(...)	      ((void)0)
#define SRCU_SPINS	      1

#define syscall(...) (machine_membarrier(), 0L)

#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu/membarrier.c"
#include "srcu/abandoned.c"
#include "srcu/wait.c"
#include "srcu/callback.c"
#include "srcu/worker.c"
#define SRCU_STUBS_HAVE_WAKE
#include "srcu_rseq.h"
#include "srcu_stubs.h"

static struct {
	struct srcu_struct domain;
	struct __bf_srcu_slot slots[NR_SLOTS];
	struct srcu_head head;
	struct barrier barrier;
	int published, poisoned, before, after;
	bool requested, served, seen;
	int count, found_old, missed_count;
	int idx[2]; /* of two sections */
	unsigned int wake_seq;
	unsigned long cookie, sections;
} world;

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

bool bf_srcu_track_queue(struct bf_srcu *ssp, struct bf_srcu_head *head,
			 void *place)
{
	return true;
}

void bf_srcu_track_unqueue(struct bf_srcu_head *head)
{
}

void bf_srcu_track_wait(struct bf_srcu *ssp, void *place)
{
}

void bf_srcu_report_misuse(const struct bf_srcu *ssp, enum bf_srcu_report about,
			   const char *what, void *place, void *began)
{
	machine_fail(what);
}

void bf_srcu_text_add(struct bf_srcu_text *text, const char *format, ...)
{
}

void bf_srcu_send_report(enum bf_srcu_report what,
			 const struct bf_srcu_text *text)
{
}

uint64_t bf_srcu_stall_due_ns(const struct bf_srcu *ssp)
{
	return UINT64_MAX;
}

void bf_srcu_stall_check(struct bf_srcu *ssp)
{
}

int bf_thread_start(struct bf_thread *start)
{
	return -EAGAIN;
}

/* An updater that sleeps, and readers that wake it. */

static void publish_and_poison(void *unused)
{
	__atomic_store_n(&world.published, 1, __ATOMIC_RELEASE);
	synchronize_srcu_expedited(&world.domain);
	__atomic_store_n(&world.poisoned, 1, __ATOMIC_RELAXED);
}

static void read_fast(void *unused)
{
	struct srcu_ctr *scp = srcu_read_lock_fast(&world.domain);

	if (!__atomic_load_n(&world.published, __ATOMIC_ACQUIRE))
		check(!__atomic_load_n(&world.poisoned, __ATOMIC_RELAXED),
		      "an object was poisoned under a reader");
	srcu_read_unlock_fast(&world.domain, scp);
}

/* A section that no thread ends, beside one in progress. */

/* Out of line: the model's sequence counts by a release. */
static void abandon(void)
{
	world.domain.rseq_slots = NULL;
	world.sections = 2;
	srcu_read_lock(&world.domain);
}

static void read_noted(void *unused)
{
	int idx;

	bf_srcu_sections_begin(&world.sections);
	idx = srcu_read_lock(&world.domain);
	if (!__atomic_load_n(&world.published, __ATOMIC_ACQUIRE))
		check(!__atomic_load_n(&world.poisoned, __ATOMIC_RELAXED),
		      "an object was poisoned under a reader");
	srcu_read_unlock(&world.domain, idx);
	bf_srcu_sections_end(&world.sections);
}

static bool no_readers(void *opaque, unsigned long *stamp)
{
	*stamp = bf_srcu_sections(&world.sections);
	return !(*stamp & 1);
}

static void find_and_poison(void *unused)
{
	__atomic_store_n(&world.published, 1, __ATOMIC_RELEASE);
	if (!bf_srcu_end_abandoned(&world.domain, no_readers, NULL))
		return;
	bf_srcu_gp_start(&world.domain);
	while (!bf_srcu_gp_advance(&world.domain)) {
		machine_checkpoint(0);
		machine_wait();
	}
	__atomic_store_n(&world.poisoned, 1, __ATOMIC_RELAXED);
}

static void check_found(struct bf_srcu *ssp, void *opaque)
{
	check(opaque == &world, "a function without its argument");
}

static void announce_abandoned(void *unused)
{
	bf_srcu_has_abandoned(&world.domain, check_found, &world);
}

static void find_abandoned(void *unused)
{
	bf_srcu_find_abandoned(&world.domain);
}

/* Two readers leave at once, and the last one wakes an updater. */

static void sleep_announced(void *unused)
{
	futex_wait(&world.domain.wake_seq, world.wake_seq, FUTEX_FOREVER);
}

static void leave_first(void *unused)
{
	srcu_read_unlock(&world.domain, world.idx[0]);
}

static void leave_second(void *unused)
{
	srcu_read_unlock(&world.domain, world.idx[1]);
}

/* The steps of gp_wait() up to the sleep, with both readers inside. */
static void announce_beside_two(void)
{
	world.idx[0] = srcu_read_lock(&world.domain);
	world.idx[1] = srcu_read_lock(&world.domain);
	bf_srcu_gp_begin(&world.domain, true);
	world.wake_seq = world.domain.wake_seq;
	while (bf_srcu_gp_announce_sleep(&world.domain, SRCU_WAIT_SYNC))
		bf_srcu_gp_step(&world.domain);
}

/* A reader leaves while an updater flips: an earlier announcement stands. */

static void announce_beside_reader(void)
{
	world.idx[0] = srcu_read_lock(&world.domain);
	bf_srcu_gp_begin(&world.domain, true);
	bf_srcu_gp_announce_sleep(&world.domain, SRCU_WAIT_SYNC);
}

/* As gp_wait(), but it sleeps for ever; see srcu/wait.h. */
static void flip_and_sleep(void *unused)
{
	unsigned int seq;

	if (bf_srcu_gp_step(&world.domain))
		return;
	seq = __atomic_load_n(&world.domain.wake_seq, __ATOMIC_ACQUIRE);
	while (bf_srcu_gp_announce_sleep(&world.domain, SRCU_WAIT_SYNC))
		if (bf_srcu_gp_step(&world.domain))
			return;
	futex_wait(&world.domain.wake_seq, seq, FUTEX_FOREVER);
}

/* The worker's sleep: a request is served, or it wakes the worker. */

static void request(void *unused)
{
	__atomic_store_n(&world.requested, true, __ATOMIC_RELAXED);
	bf_srcu_worker_poke(SRCU_NOW);
}

/* worker_main(), with this request in the place of a pass. */
static void serve(void *unused)
{
	unsigned int word;

	for (;;) {
		word = __atomic_load_n(&thread.word, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&world.requested, __ATOMIC_RELAXED))
			return;
		if (worker_rest(WORKER_ASLEEP, word, FUTEX_FOREVER))
			worker_nap();
	}
}

/* A domain leaves the worker's list while a callback is queued. */

static void queue(void *unused)
{
	__atomic_store_n(&world.before, 1, __ATOMIC_RELAXED);
	queue_callback(&world.domain, &world.head, SRCU_CB_NORMAL);
}

static void drop_domain(void *unused)
{
	if (!bf_srcu_gp_wanted(&world.domain))
		worker_drop(&world.domain);
}

static void check_listed(void)
{
	check(world.domain.queued, "a callback is on no list of the worker");
}

/* A callback: its order against its caller. */

static void note_call(struct srcu_head *head)
{
	check(__atomic_load_n(&world.before, __ATOMIC_RELAXED),
	      "a callback missed a store that came before it was queued");
	__atomic_store_n(&world.after, 1, __ATOMIC_RELAXED);
}

static void check_called(void)
{
	check(__atomic_load_n(&world.after, __ATOMIC_RELAXED),
	      "the stores of a callback were not visible");
}

/* A barrier that finds no callback. */
static void call_and_look(void *unused)
{
	__atomic_store_n(&world.before, 1, __ATOMIC_RELAXED);
	call_srcu(&world.domain, &world.head, note_call);
	if (__atomic_load_n(&world.domain.cb_count, __ATOMIC_RELAXED))
		return;
	srcu_barrier(&world.domain);
	check_called();
}

/* A grace period that takes the callback along, if it is queued by then. */
static void drive_and_run(void *unused)
{
	bf_srcu_gp_start(&world.domain);
	while (!bf_srcu_gp_advance(&world.domain))
		machine_wait();
	pthread_mutex_lock(&world.domain.lock);
	bf_srcu_run_callbacks(&world.domain, SRCU_ALL_CALLBACKS);
	pthread_mutex_unlock(&world.domain.lock);
}

/* The whole worker, which ends with the callback that it is for. */

static void end_worker(struct srcu_head *head)
{
	note_call(head);
	machine_exit();
}

static void call_expedited(void *unused)
{
	__atomic_store_n(&world.before, 1, __ATOMIC_RELAXED);
	call_srcu_expedited(&world.domain, &world.head, end_worker);
}

static void run_worker(void *unused)
{
	worker_main(NULL);
}

/* A poll, and one pass of the worker, which may come before it. */

static void poll_twice(void *unused)
{
	world.cookie = start_poll_synchronize_srcu(&world.domain);
	if (poll_state_synchronize_srcu(&world.domain, world.cookie))
		check_called();
}

static void run_pass(void *unused)
{
	struct worker_pass pass = {.max_callbacks = 1, .may_begin = true};

	__atomic_store_n(&world.after, 1, __ATOMIC_RELAXED);
	round_begin();
	worker_run_pass(&pass);
	round_end();
}

static void check_polled(void)
{
	check(world.domain.queued ||
		      poll_state_synchronize_srcu(&world.domain, world.cookie),
	      "a poll is on no list of the worker");
}

static void list_domain(void)
{
	worker.list = &world.domain;
}

static void unlist_domain(void)
{
	world.domain.queued = false;
}

/* A thread that sleeps until a barrier is reached. */

static void sleep_for_barrier(void *unused)
{
	wait_for_barrier(&world.barrier);
	check_called();
}

static void reach_barrier(void *unused)
{
	__atomic_store_n(&world.after, 1, __ATOMIC_RELAXED);
	barrier_reached(&world.barrier.head);
}

/* A membarrier of another thread serves this one if it began late enough. */

static void wait_for_membarrier(void *unused)
{
	unsigned long number;

	__atomic_store_n(&world.published, 1, __ATOMIC_RELAXED);
	__bf_srcu_fence();
	number = bf_srcu_membarrier_next();
	if (!bf_srcu_membarrier_done(number))
		return;
	world.missed_count = !__atomic_load_n(&world.count, __ATOMIC_RELAXED);
}

static void make_membarriers(void *unused)
{
	bf_srcu_membarrier();
	bf_srcu_membarrier();
}

static void count_and_load(void *unused)
{
	__atomic_store_n(&world.count, 1, __ATOMIC_RELAXED);
	world.found_old = !__atomic_load_n(&world.published, __ATOMIC_RELAXED);
}

static void check_membarrier(void)
{
	check(!world.missed_count || !world.found_old,
	      "a membarrier was too early for a grace period");
}

/* Full barriers of the caller: each of two threads stores, and then loads. */

static void end_section_and_load(void *unused)
{
	int idx = srcu_read_lock(&world.domain);

	__atomic_store_n(&world.published, 1, __ATOMIC_RELAXED);
	srcu_read_unlock(&world.domain, idx);
	bf_srcu_mb_after_read_unlock();
	world.missed_count = !__atomic_load_n(&world.count, __ATOMIC_RELAXED);
}

static void poll_and_load(void *unused)
{
	__atomic_store_n(&world.published, 1, __ATOMIC_RELAXED);
	start_poll_synchronize_srcu(&world.domain);
	world.missed_count = !__atomic_load_n(&world.count, __ATOMIC_RELAXED);
}

static void store_and_load(void *unused)
{
	__atomic_store_n(&world.count, 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	world.found_old = !__atomic_load_n(&world.published, __ATOMIC_RELAXED);
}

static void check_full_barrier(void)
{
	check(!world.missed_count || !world.found_old,
	      "a full barrier let a load pass a store");
}

static void check_nothing(void)
{
}

static const struct scenario {
	const char *name;
	void (*threads[3])(void *unused);
	void (*check)(void);
	bool fast;
	void (*set_up)(void);
} scenarios[] = {
	{"an updater sleeps for a reader",
	 {publish_and_poison, read_fast},
	 check_nothing,
	 true,
	 NULL},
	{"an abandoned section",
	 {find_and_poison, read_noted},
	 check_nothing,
	 false,
	 abandon},
	{"the first abandoned section",
	 {find_abandoned, announce_abandoned},
	 check_nothing,
	 false,
	 NULL},
	{"two readers leave at once",
	 {sleep_announced, leave_first, leave_second},
	 check_nothing,
	 false,
	 announce_beside_two},
	{"a reader leaves beside a flip",
	 {flip_and_sleep, leave_first},
	 check_nothing,
	 false,
	 announce_beside_reader},
	{"a request, and the worker's sleep",
	 {request, serve},
	 check_nothing,
	 false,
	 NULL},
	{"a callback of a domain that leaves the list",
	 {queue, drop_domain},
	 check_listed,
	 false,
	 NULL},
	{"a callback, and no barrier after it",
	 {call_and_look, drive_and_run},
	 check_nothing,
	 false,
	 NULL},
	{"a poll, and a pass that drops the domain",
	 {poll_twice, run_pass},
	 check_polled,
	 false,
	 list_domain},
	{"a poll, and a pass of the worker",
	 {poll_twice, run_pass},
	 check_polled,
	 false,
	 unlist_domain},
	{"a callback, and the worker",
	 {call_expedited, run_worker},
	 check_nothing,
	 false,
	 unlist_domain},
	{"a thread sleeps for a barrier",
	 {sleep_for_barrier, reach_barrier},
	 check_nothing,
	 false,
	 NULL},
	{"a full barrier after a section",
	 {end_section_and_load, store_and_load},
	 check_full_barrier,
	 false,
	 NULL},
	{"a full barrier in a poll",
	 {poll_and_load, store_and_load},
	 check_full_barrier,
	 false,
	 NULL},
	{"a membarrier of another thread",
	 {wait_for_membarrier, make_membarriers, count_and_load},
	 check_membarrier,
	 true,
	 NULL},
};

static const struct scenario *scenario;

static void init(void)
{
	memset(&world, 0, sizeof(world));
	memset(&worker, 0, sizeof(worker));
	memset(&barriers, 0, sizeof(barriers));
	memset(&kernel, 0, sizeof(kernel));
	memset(of_threads_in_callbacks, 0, sizeof(of_threads_in_callbacks));
	memset(of_threads_in_round, 0, sizeof(of_threads_in_round));
	thread.word = thread.rest = 0;
	thread.no_nap = thread.forbidden = false;
	thread.running = 1;
	bf_srcu_nr_slots = NR_SLOTS;
	world.domain.fast = world.domain.membarrier = scenario->fast;
	world.domain.slots = world.domain.rseq_slots = world.slots;
	world.domain.queued = true;
	world.barrier.head.func = barrier_reached;
	bf_srcu_set_bank(&world.domain, 0);
	if (scenario->set_up)
		scenario->set_up();
}

static struct explore_result explore_scenario(void)
{
	struct machine_program program = {
		.init = init,
		.threads = {scenario->threads[0], scenario->threads[1],
			    scenario->threads[2]},
		.nr_threads = scenario->threads[2] ? 3 : 2,
		.check = scenario->check,
		.world = &world,
		.world_size = sizeof(world),
		.statics = {{&worker, sizeof(worker)},
			    {&thread, sizeof(thread)},
			    {&barriers, sizeof(barriers)},
			    {&kernel, sizeof(kernel)},
			    {of_threads_in_callbacks,
			     sizeof(of_threads_in_callbacks)},
			    {of_threads_in_round, sizeof(of_threads_in_round)}},
	};

	return explore(&program, explore_memory);
}

#include "explore_scenarios.h"
