// SPDX-License-Identifier: MIT
/* A program that forbids the worker thread calls bf_srcu_drain() itself. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/srcu.h"
#include "tests/flags.h"

static int wanted_calls, called;

static void note_wanted(void *opaque)
{
	__atomic_fetch_add((int *)opaque, 1, __ATOMIC_RELAXED);
}

static void count(struct srcu_head *head)
{
	called++;
}

static int setup(void **state)
{
	return bf_srcu_forbid_worker(note_wanted, &wanted_calls);
}

static void test_drain_runs_due_callbacks(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head heads[2];
	uint64_t again;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	bf_srcu_set_pace(&ssp, 5000000);
	call_srcu(&ssp, &heads[0], count);
	assert_true(wanted_calls > 0);
	again = bf_srcu_drain();
	assert_int_equal(called, 0);
	assert_in_range(again, 0, 5000000);
	while (again != UINT64_MAX) {
		usleep((useconds_t)(again / 1000) + 1);
		again = bf_srcu_drain();
	}
	assert_int_equal(called, 1);
	call_srcu_expedited(&ssp, &heads[1], count);
	bf_srcu_drain();
	assert_int_equal(called, 2);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_drain_does_not_wait_for_readers(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head head;
	int idx;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	idx = srcu_read_lock(&ssp);
	call_srcu_expedited(&ssp, &head, count);
	bf_srcu_drain();
	assert_int_equal(called, 0);
	wanted_calls = 0;
	srcu_read_unlock(&ssp, idx);
	assert_true(wanted_calls > 0);
	bf_srcu_drain();
	assert_int_equal(called, 1);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void test_expedite_current(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head head;
	struct bf_srcu_stats stats;
	unsigned long cookie;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	bf_srcu_set_pace(&ssp, 3600ULL * 1000000000ULL);
	srcu_expedite_current(&ssp);
	bf_srcu_drain();
	bf_srcu_get_stats(&ssp, &stats);
	assert_int_equal(stats.grace_periods, 0);
	call_srcu(&ssp, &head, count);
	cookie = start_poll_synchronize_srcu(&ssp);
	bf_srcu_drain();
	assert_int_equal(called, 0);
	srcu_expedite_current(&ssp);
	bf_srcu_drain();
	assert_int_equal(called, 1);
	assert_true(poll_state_synchronize_srcu(&ssp, cookie));
	bf_srcu_get_stats(&ssp, &stats);
	assert_int_equal(stats.grace_periods, 1);
	assert_int_equal(stats.expedited, 1);
	assert_int_equal(stats.callbacks, 1);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

struct sync {
	struct srcu_struct ssp;
	bool done;
};

static void *synchronize(void *arg)
{
	struct sync *sync = arg;

	synchronize_srcu(&sync->ssp);
	__atomic_store_n(&sync->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * A thread that sleeps out the pace in synchronize_srcu() is woken by
 * srcu_expedite_current(), without a call of bf_srcu_drain().
 */
static void test_expedite_current_wakes_a_waiter(void **state)
{
	struct sync sync = {.done = false};
	struct srcu_head head;
	pthread_t thread;

	called = 0;
	assert_int_equal(init_srcu_struct(&sync.ssp), 0);
	bf_srcu_set_pace(&sync.ssp, 3600ULL * 1000000000ULL);
	call_srcu(&sync.ssp, &head, count);
	assert_int_equal(pthread_create(&thread, NULL, synchronize, &sync), 0);
	while (!__atomic_load_n(&sync.done, __ATOMIC_ACQUIRE)) {
		srcu_expedite_current(&sync.ssp);
		usleep(1000);
	}
	pthread_join(thread, NULL);
	srcu_barrier(&sync.ssp);
	assert_int_equal(called, 1);
	assert_int_equal(cleanup_srcu_struct(&sync.ssp), 0);
}

/* With more than BF_SRCU_FLOOD callbacks queued, drain does not wait for the
 * pace.
 */
static void test_flood_expedites_itself(void **state)
{
	struct srcu_head *heads = calloc(BF_SRCU_FLOOD + 2, sizeof(*heads));
	struct srcu_struct ssp;
	int i;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	bf_srcu_set_pace(&ssp, 3600ULL * 1000000000ULL);
	for (i = 0; i < BF_SRCU_FLOOD; i++)
		call_srcu(&ssp, &heads[i], count);
	bf_srcu_drain();
	assert_int_equal(called, 0);
	call_srcu(&ssp, &heads[BF_SRCU_FLOOD], count);
	bf_srcu_drain();
	assert_int_equal(called, BF_SRCU_FLOOD + 1);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
	free(heads);
}

static void test_barrier_and_synchronize(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head head;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	call_srcu(&ssp, &head, count);
	srcu_barrier(&ssp);
	assert_int_equal(called, 1);
	synchronize_srcu(&ssp);
	synchronize_srcu(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void drain_inside(struct srcu_head *head)
{
	called += bf_srcu_drain() == 0;
}

static void test_drain_in_a_callback(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head head;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	call_srcu_expedited(&ssp, &head, drain_inside);
	bf_srcu_drain();
	assert_int_equal(called, 1);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static struct srcu_struct *again_domain;

static void count_and_queue(struct srcu_head *head)
{
	if (++called < 1000)
		call_srcu_expedited(again_domain, head, count_and_queue);
}

/* A call of bf_srcu_drain() leaves a new request to the next call. */
static void drain_requeued_callback(struct srcu_struct *ssp)
{
	struct srcu_head head;
	int before;

	called = 0;
	again_domain = ssp;
	call_srcu_expedited(ssp, &head, count_and_queue);
	while (called < 999) {
		before = called;
		assert_true(bf_srcu_drain() == 0);
		assert_true(called <= before + 1);
	}
	assert_true(bf_srcu_drain() == UINT64_MAX);
	assert_int_equal(called, 1000);
	assert_int_equal(cleanup_srcu_struct(ssp), 0);
}

static void test_drain_returns_beside_flood(void **state)
{
	struct srcu_struct ssp;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	drain_requeued_callback(&ssp);
	assert_int_equal(init_srcu_struct_fast(&ssp), 0);
	drain_requeued_callback(&ssp);
}

static int inside, leave;

static void block(struct srcu_head *head)
{
	set(&inside, 1);
	wait_for(&leave, 1);
	count(head);
}

static void *wait_in_barrier(void *ssp)
{
	srcu_barrier(ssp);
	return NULL;
}

/*
 * Another thread runs the domain's callbacks in srcu_barrier().  It will run
 * the second one too, so bf_srcu_drain() does not ask to be called again.
 */
static void test_drain_leaves_callbacks_to_running_thread(void **state)
{
	struct srcu_struct ssp;
	struct srcu_head heads[2];
	pthread_t thread;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	call_srcu(&ssp, &heads[0], block);
	assert_int_equal(pthread_create(&thread, NULL, wait_in_barrier, &ssp),
			 0);
	wait_for(&inside, 1);
	call_srcu(&ssp, &heads[1], count);
	synchronize_srcu_expedited(&ssp);
	assert_true(bf_srcu_drain() == UINT64_MAX);
	assert_int_equal(called, 0);
	set(&leave, 1);
	pthread_join(thread, NULL);
	srcu_barrier(&ssp);
	assert_int_equal(called, 2);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drain_runs_due_callbacks),
		cmocka_unit_test(test_drain_does_not_wait_for_readers),
		cmocka_unit_test(test_expedite_current),
		cmocka_unit_test(test_expedite_current_wakes_a_waiter),
		cmocka_unit_test(test_flood_expedites_itself),
		cmocka_unit_test(test_barrier_and_synchronize),
		cmocka_unit_test(test_drain_in_a_callback),
		cmocka_unit_test(test_drain_returns_beside_flood),
		cmocka_unit_test(test_drain_leaves_callbacks_to_running_thread),
	};

	return cmocka_run_group_tests_name("srcu_drain", tests, setup, NULL);
}
