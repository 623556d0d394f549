// SPDX-License-Identifier: MIT
/* One sample of one figure of one implementation. */
#include <pthread.h>
#include <stdlib.h>

#include "bench_srcu.h"
#include "tools/belfry/common/sleep.h"
#include "tools/belfry/common/xalloc.h"

#define PAIRS	  200000
#define SYNCS	  50
#define NSEC_USEC 1000.0

static void thread_begin(const struct peer *peer)
{
	if (peer->thread_begin)
		peer->thread_begin();
}

static void thread_end(const struct peer *peer)
{
	if (peer->thread_end)
		peer->thread_end();
}

struct helper {
	pthread_t thread;
	void (*step)(const struct peer *peer);
	const struct peer *peer;
	bool started, stop;
};

static void *helper_main(void *arg)
{
	struct helper *helper = arg;

	pin_thread(1);
	thread_begin(helper->peer);
	do {
		helper->step(helper->peer);
		__atomic_store_n(&helper->started, true, __ATOMIC_RELEASE);
	} while (!__atomic_load_n(&helper->stop, __ATOMIC_RELAXED));
	thread_end(helper->peer);
	return NULL;
}

struct helper *helper_start(void (*step)(const struct peer *peer),
			    const struct peer *peer)
{
	struct helper *helper = xgrow(NULL, 0, 1, sizeof(*helper));

	helper->step = step;
	helper->peer = peer;
	if (pthread_create(&helper->thread, NULL, helper_main, helper))
		xcheck(NULL);
	while (!__atomic_load_n(&helper->started, __ATOMIC_ACQUIRE))
		sleep_us(100);
	return helper;
}

void helper_stop(struct helper *helper)
{
	__atomic_store_n(&helper->stop, true, __ATOMIC_RELAXED);
	pthread_join(helper->thread, NULL);
	free(helper);
}

void step_read(const struct peer *peer)
{
	peer->read_loop(1000);
}

static void inside_sleep_50ms(void *unused)
{
	sleep_us(50000);
}

void step_sleep_50ms(const struct peer *peer)
{
	peer->section(inside_sleep_50ms, NULL);
}

static void step_sleep_50ms_outside(const struct peer *peer)
{
	sleep_us(50000);
}

static double loop_ns(const struct peer *peer)
{
	uint64_t start;

	peer->read_loop(1000);
	start = clock_ns();
	peer->read_loop(PAIRS);
	return (double)(clock_ns() - start) / PAIRS;
}

double measure_pair(const struct peer *peer)
{
	double ns;

	thread_begin(peer);
	ns = loop_ns(peer);
	thread_end(peer);
	return ns;
}

double measure_pair_of_two(const struct peer *peer)
{
	struct helper *helper = helper_start(step_read, peer);
	double ns = measure_pair(peer);

	helper_stop(helper);
	return ns;
}

/* Returns the median of SYNCS calls. */
double measure_sync(const struct peer *peer)
{
	struct samples samples = {NULL, 0, 0};
	double median;
	uint64_t start;

	thread_begin(peer);
	for (int i = 0; i < SYNCS; i++) {
		start = clock_ns();
		peer->synchronize();
		samples_add(&samples, (double)(clock_ns() - start) / NSEC_USEC);
	}
	thread_end(peer);
	median = samples_median(&samples);
	samples_free(&samples);
	return median;
}

double measure_sync_beside_reader(const struct peer *peer)
{
	struct helper *helper = helper_start(step_read, peer);
	double us = measure_sync(peer);

	helper_stop(helper);
	return us;
}

static double sync_once(const struct peer *peer)
{
	uint64_t start, end;

	thread_begin(peer);
	start = clock_ns();
	peer->synchronize();
	end = clock_ns();
	thread_end(peer);
	return (double)(end - start) / NSEC_USEC;
}

static double sync_once_beside(void (*step)(const struct peer *peer),
			       const struct peer *other,
			       const struct peer *peer)
{
	struct helper *helper = helper_start(step, other);
	double us;

	sleep_us(1000);
	us = sync_once(peer);
	helper_stop(helper);
	return us;
}

/*
 * The sleeper is in another domain if the implementation has domains: in the
 * fast one while the fenced one is measured.
 */
double measure_sync_beside_sleeper(const struct peer *peer)
{
	return sync_once_beside(step_sleep_50ms,
				peer == &own_fenced ? &own_fast : peer, peer);
}

double measure_sync_beside_no_reader(const struct peer *peer)
{
	return sync_once_beside(step_sleep_50ms_outside, peer, peer);
}

static struct {
	bool inside;
	uint64_t left;
} leaver;

static void inside_leave_late(void *unused)
{
	__atomic_store_n(&leaver.inside, true, __ATOMIC_RELEASE);
	sleep_us(2000);
	leaver.left = clock_ns();
}

static void *leaver_main(void *arg)
{
	const struct peer *peer = arg;

	pin_thread(1);
	thread_begin(peer);
	peer->section(inside_leave_late, NULL);
	thread_end(peer);
	return NULL;
}

/* The time from a reader's unlock to the return of its waiter. */
double measure_wake(const struct peer *peer)
{
	pthread_t thread;
	uint64_t end;

	leaver.inside = false;
	thread_begin(peer);
	if (pthread_create(&thread, NULL, leaver_main, (void *)(uintptr_t)peer))
		xcheck(NULL);
	while (!__atomic_load_n(&leaver.inside, __ATOMIC_ACQUIRE))
		sched_yield();
	peer->synchronize();
	end = clock_ns();
	thread_end(peer);
	pthread_join(thread, NULL);
	return (double)(end - leaver.left) / NSEC_USEC;
}

struct stamp {
	struct peer_call call;
	uint64_t when; /* time of its call; 0: not yet called */
};

static void stamp_call(struct peer_call *call)
{
	struct stamp *stamp = (struct stamp *)(void *)call;

	__atomic_store_n(&stamp->when, clock_ns(), __ATOMIC_RELEASE);
}

static uint64_t stamp_wait(struct stamp *stamp)
{
	uint64_t when;

	while (!(when = __atomic_load_n(&stamp->when, __ATOMIC_ACQUIRE)))
		sleep_us(200);
	return when;
}

/* The worker is idle; the caller sleeps until the callback has run. */
double measure_call(const struct peer *peer)
{
	struct stamp stamp = {.call.func = stamp_call};
	uint64_t start;

	sleep_us(2000);
	start = clock_ns();
	peer->call(&stamp.call);
	return (double)(stamp_wait(&stamp) - start) / NSEC_USEC;
}

double measure_barrier(const struct peer *peer)
{
	uint64_t start = clock_ns();

	peer->barrier();
	return (double)(clock_ns() - start) / NSEC_USEC;
}

/* The time from a synchronize to the call of an earlier callback. */
double measure_transfer(const struct peer *peer)
{
	struct stamp stamp = {.call.func = stamp_call};
	uint64_t back, when;

	sleep_us(1000);
	peer->call(&stamp.call);
	peer->synchronize();
	back = clock_ns();
	when = stamp_wait(&stamp);
	return when > back ? (double)(when - back) / NSEC_USEC : 0;
}
