// SPDX-License-Identifier: MIT
/* SRCU callbacks: when each is called, and the calls that it may make. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/srcu/srcu_worker.h"
#include "belfry/srcu.h"
#include "tests/flags.h"
#include "srcu_fixture.h"
#include "base/util.h"

#define FOREVER_NS (3600ULL * 1000000000ULL)

/* A callback that records the order of the calls. */
struct noted {
	struct srcu_head head;
	int number;
};

static int notes[64], noted;

static void note(struct srcu_head *head)
{
	notes[noted] = container_of(head, struct noted, head)->number;
	__atomic_fetch_add(&noted, 1, __ATOMIC_RELEASE);
}

static int flood_next;

static void note_in_order(struct srcu_head *head)
{
	if (container_of(head, struct noted, head)->number == flood_next)
		__atomic_fetch_add(&flood_next, 1, __ATOMIC_RELEASE);
}

static void test_callbacks_in_order(void **state)
{
	struct noted cb[ARRAY_SIZE(notes)];
	struct srcu_struct ssp;
	int i;

	setup_domain(&ssp);
	noted = 0;
	for (i = 0; i < (int)ARRAY_SIZE(cb); i++) {
		cb[i].number = i;
		call_srcu(&ssp, &cb[i].head, note);
		if (i % 10 == 9)
			synchronize_srcu_expedited(&ssp);
	}
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), ARRAY_SIZE(cb));
	for (i = 0; i < (int)ARRAY_SIZE(cb); i++)
		assert_int_equal(notes[i], i);
	end_domain(&ssp);
}

static void test_callback_waits_for_reader(void **state)
{
	struct noted cb = {.number = 7};
	struct srcu_struct ssp;
	struct holder holder;

	setup_domain(&ssp);
	noted = 0;
	holder_start(&holder, &ssp);
	call_srcu(&ssp, &cb.head, note);
	usleep(30000);
	assert_int_equal(get(&noted), 0);
	holder_end(&holder);
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), 1);
	end_domain(&ssp);
}

/*
 * The pace is an hour, so a callback runs within the test only if an expedited
 * request promotes its grace period.
 */
static void test_expedited_promotes_callbacks(void **state)
{
	struct noted cb[2] = {{.number = 1}, {.number = 2}};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	bf_srcu_set_pace(&ssp, FOREVER_NS);
	noted = 0;
	call_srcu(&ssp, &cb[0].head, note);
	usleep(10000);
	assert_int_equal(get(&noted), 0);
	synchronize_srcu_expedited(&ssp);
	wait_for(&noted, 1);
	call_srcu(&ssp, &cb[1].head, note);
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), 2);
	end_domain(&ssp);
}

static int blocked, unblock;

static void block(struct srcu_head *head)
{
	set(&blocked, 1);
	wait_for(&unblock, 1);
}

static void queue_notes(struct srcu_struct *ssp, struct noted *cb, int first,
			int end)
{
	for (; first < end; first++) {
		cb[first].number = first;
		call_srcu(ssp, &cb[first].head, note);
	}
	synchronize_srcu_expedited(ssp);
}

/*
 * The worker is behind: callbacks are ready, and it runs an earlier one.  Grace
 * periods then touch no callback under the lock, however many there are, and
 * the later callbacks do not wait for the pace, which is an hour.
 */
static void test_callbacks_behind_the_worker(void **state)
{
	struct noted cb[ARRAY_SIZE(notes)];
	struct srcu_head first;
	struct srcu_struct ssp;
	int i;

	setup_domain(&ssp);
	bf_srcu_set_pace(&ssp, FOREVER_NS);
	noted = blocked = unblock = 0;
	call_srcu_expedited(&ssp, &first, block);
	wait_for(&blocked, 1);
	queue_notes(&ssp, cb, 0, 3);
	assert_ptr_equal(ssp.cb_done, &cb[2].head);
	assert_ptr_equal(cb[2].head.next, &cb[1].head);
	queue_notes(&ssp, cb, 3, (int)ARRAY_SIZE(cb));
	assert_ptr_equal(ssp.cb_done, &cb[2].head);
	set(&unblock, 1);
	wait_for(&noted, (int)ARRAY_SIZE(cb));
	for (i = 0; i < (int)ARRAY_SIZE(cb); i++)
		assert_int_equal(notes[i], i);
	end_domain(&ssp);
}

/* The worker puts a flood of callbacks in order piece by piece. */
static void test_flood_in_order(void **state)
{
	enum { FLOOD = 20 * 1000 };
	struct noted *cb = calloc(FLOOD, sizeof(*cb));
	struct srcu_struct ssp;
	struct holder holder;
	int i;

	setup_domain(&ssp);
	holder_start(&holder, &ssp);
	flood_next = 0;
	for (i = 0; i < FLOOD; i++) {
		cb[i].number = i;
		call_srcu(&ssp, &cb[i].head, note_in_order);
	}
	holder_end(&holder);
	srcu_barrier(&ssp);
	assert_int_equal(get(&flood_next), FLOOD);
	end_domain(&ssp);
	free(cb);
}

static struct srcu_struct *again_domain;
static struct noted again_second;

static void note_and_queue(struct srcu_head *head)
{
	note(head);
	call_srcu(again_domain, &again_second.head, note);
}

static void test_callback_queues_callback(void **state)
{
	struct noted first = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	again_domain = &ssp;
	again_second.number = 2;
	noted = 0;
	call_srcu(&ssp, &first.head, note_and_queue);
	wait_for(&noted, 2);
	assert_int_equal(notes[1], 2);
	end_domain(&ssp);
}

/*
 * After srcu_barrier() and cleanup the worker does not touch the domain any
 * more: the test overwrites and frees its memory.
 */
static void test_barrier_then_cleanup(void **state)
{
	struct srcu_struct *ssp;
	struct noted cb;
	int i;

	for (i = 0; i < 500; i++) {
		ssp = aligned_alloc(__alignof__(*ssp), sizeof(*ssp));
		setup_domain(ssp);
		noted = 0;
		cb.number = i;
		call_srcu(ssp, &cb.head, note);
		srcu_barrier(ssp);
		assert_int_equal(cleanup_srcu_struct(ssp), 0);
		memset(ssp, 0xa5, sizeof(*ssp));
		free(ssp);
	}
}

/* Must come first: later tests start the worker. */
static void test_no_thread_before_first_callback(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;
	pid_t tid;

	setup_domain(&ssp);
	synchronize_srcu_expedited(&ssp);
	synchronize_srcu(&ssp);
	synchronize_srcu(&ssp);
	srcu_barrier(&ssp);
	assert_int_equal(find_srcu_workers(&tid), 0);
	noted = 0;
	call_srcu(&ssp, &cb.head, note);
	/* The new thread sets its own name. */
	srcu_barrier(&ssp);
	assert_int_equal(find_srcu_workers(&tid), 1);
	end_domain(&ssp);
}

static void wait_in_callback(struct srcu_head *head)
{
	note(head);
	synchronize_srcu(again_domain);
	synchronize_srcu(again_domain);
	synchronize_srcu_expedited(again_domain);
	note(head);
}

/*
 * The callback waits on the worker's thread, so the callback itself must drive
 * the grace period.
 */
static void test_callback_may_synchronize(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	again_domain = &ssp;
	noted = 0;
	call_srcu(&ssp, &cb.head, wait_in_callback);
	wait_for(&noted, 2);
	end_domain(&ssp);
}

static struct srcu_struct other_domain;
static int cleaned;

static void clean_idle_other(struct srcu_head *head)
{
	start_poll_synchronize_srcu(&other_domain);
	synchronize_srcu_expedited(&other_domain);
	cleaned = cleanup_srcu_struct(&other_domain);
	note(head);
}

static void test_cleanup_in_callback_of_other_domain(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	setup_domain(&other_domain);
	noted = 0;
	cleaned = 1;
	call_srcu(&ssp, &cb.head, clean_idle_other);
	wait_for(&noted, 1);
	assert_int_equal(cleaned, 0);
	memset(&other_domain, 0xa5, sizeof(other_domain));
	end_domain(&ssp);
}

/* A deadline UINT64_MAX ns from now must not overflow into the past. */
static void test_longest_pace(void **state)
{
	struct noted cb = {.number = 1};
	struct srcu_struct ssp;

	setup_domain(&ssp);
	bf_srcu_set_pace(&ssp, UINT64_MAX);
	noted = 0;
	call_srcu(&ssp, &cb.head, note);
	usleep(20000);
	assert_int_equal(get(&noted), 0);
	end_domain(&ssp);
	assert_int_equal(noted, 1);
}

static void test_statistics(void **state)
{
	struct noted cb[2] = {{.number = 1}, {.number = 2}};
	struct bf_srcu_stats stats;
	struct srcu_struct ssp;
	struct holder holder;
	struct waiter waiter;

	setup_domain(&ssp);
	bf_srcu_set_pace(&ssp, FOREVER_NS);
	noted = 0;
	call_srcu_expedited(&ssp, &cb[0].head, note);
	wait_for(&noted, 1);
	bf_srcu_get_stats(&ssp, &stats);
	assert_int_equal(stats.expedited, 1);
	assert_int_equal(stats.promoted, 0);
	call_srcu(&ssp, &cb[1].head, note);
	synchronize_srcu_expedited(&ssp);
	bf_srcu_get_stats(&ssp, &stats);
	assert_int_equal(stats.expedited, 2);
	assert_int_equal(stats.promoted, 1);
	holder_start(&holder, &ssp);
	waiter_start(&waiter, &ssp, synchronize_srcu_expedited, &holder);
	usleep(20000);
	holder_end(&holder);
	pthread_join(waiter.thread, NULL);
	end_domain(&ssp);
	assert_true(ssp.stats.longest_wait_ns >= 10000000);
	assert_int_equal(ssp.stats.callbacks, 2);
}

/* A callback that queues itself again until the test stops it. */
struct flood {
	struct srcu_head head;
	struct srcu_struct ssp;
	int stop;
};

static void flood_again(struct srcu_head *head)
{
	struct flood *flood = container_of(head, struct flood, head);

	if (!get(&flood->stop))
		call_srcu_expedited(&flood->ssp, head, flood_again);
}

static bool wait_2_s_for_note(void)
{
	int i;

	for (i = 0; i < 20000 && !get(&noted); i++)
		usleep(100);
	return get(&noted);
}

static bool wait_2_s_for_cookie(struct srcu_struct *ssp, unsigned long cookie)
{
	int i;

	for (i = 0; i < 20000 && !poll_state_synchronize_srcu(ssp, cookie); i++)
		usleep(100);
	return poll_state_synchronize_srcu(ssp, cookie);
}

/*
 * The worker must not stay in a domain that always has work.  The first request
 * of the other domain fails the test if it does.
 */
static void requests_are_served(void)
{
	struct srcu_struct ssp;
	struct noted cb;
	int i;

	setup_domain(&ssp);
	noted = 0;
	call_srcu_expedited(&ssp, &cb.head, note);
	assert_true(wait_2_s_for_note());
	assert_true(
		wait_2_s_for_cookie(&ssp, start_poll_synchronize_srcu(&ssp)));
	for (i = 0; i < 10; i++)
		synchronize_srcu(&ssp);
	call_srcu(&ssp, &cb.head, note);
	srcu_barrier(&ssp);
	assert_int_equal(get(&noted), 2);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

/* Each callback makes the next one ready. */
static void run_requests_beside_flood(struct flood *flood)
{
	call_srcu_expedited(&flood->ssp, &flood->head, flood_again);
	requests_are_served();
	set(&flood->stop, 1);
	srcu_barrier(&flood->ssp);
	end_domain(&flood->ssp);
}

static void test_flood_does_not_starve_other_domain(void **state)
{
	static struct flood fenced, fast;

	setup_domain(&fenced.ssp);
	run_requests_beside_flood(&fenced);
	assert_int_equal(init_srcu_struct_fast(&fast.ssp), 0);
	run_requests_beside_flood(&fast);
}

static void free_head(struct srcu_head *head)
{
	free(head);
}

static void *produce(void *arg)
{
	struct flood *flood = arg;
	struct srcu_head *head;
	unsigned int i;

	for (i = 0; !get(&flood->stop); i++) {
		head = malloc(sizeof(*head));
		if (!head)
			break;
		if (i % 2)
			call_srcu(&flood->ssp, head, free_head);
		else
			call_srcu_expedited(&flood->ssp, head, free_head);
	}
	return NULL;
}

static void *synchronize_always(void *arg)
{
	struct flood *flood = arg;

	while (!get(&flood->stop))
		synchronize_srcu_expedited(&flood->ssp);
	return NULL;
}

/* Without a pace, too: its grace periods then follow each other. */
static void test_producers_do_not_starve_other_domain(void **state)
{
	static struct flood flood;
	pthread_t threads[3];
	int i;

	setup_domain(&flood.ssp);
	bf_srcu_set_pace(&flood.ssp, 0);
	pthread_create(&threads[0], NULL, produce, &flood);
	pthread_create(&threads[1], NULL, produce, &flood);
	pthread_create(&threads[2], NULL, synchronize_always, &flood);
	requests_are_served();
	set(&flood.stop, 1);
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	end_domain(&flood.ssp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_thread_before_first_callback),
		cmocka_unit_test(test_callbacks_in_order),
		cmocka_unit_test(test_callback_waits_for_reader),
		cmocka_unit_test(test_expedited_promotes_callbacks),
		cmocka_unit_test(test_callbacks_behind_the_worker),
		cmocka_unit_test(test_flood_in_order),
		cmocka_unit_test(test_callback_queues_callback),
		cmocka_unit_test(test_barrier_then_cleanup),
		cmocka_unit_test(test_callback_may_synchronize),
		cmocka_unit_test(test_cleanup_in_callback_of_other_domain),
		cmocka_unit_test(test_longest_pace),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_flood_does_not_starve_other_domain),
		cmocka_unit_test(test_producers_do_not_starve_other_domain),
	};

	return cmocka_run_group_tests_name("srcu_callback", tests, NULL, NULL);
}
