// SPDX-License-Identifier: MIT
/* Removals and moves beside holders of snapshots. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

#include "memslots_fixture.h"

static void test_snapshot_keeps_its_view(void **state)
{
	struct bf_memslots_snapshot old, now;
	char c = 'x';

	assert_int_equal(set(0, 0, 1, 0), 0);
	bf_memslots_take(map, &old);
	assert_int_equal(set(1, PAGE, 1, 1), 0);
	bf_memslots_take(map, &now);
	assert_null(bf_memslots_hva(&old, 0, PAGE, 1, true));
	assert_ptr_equal(bf_memslots_hva(&now, 0, PAGE, 1, true),
			 memory + PAGE);
	assert_null(bf_memslots_hva(&old, 0, PAGE, 1, true));
	assert_int_equal(bf_memslots_snapshot_write(&old, 0, PAGE, &c, 1), 0);
	assert_int_equal(bf_memslots_snapshot_write(&now, 0, PAGE, &c, 1), 1);
	assert_int_equal(bf_memslots_snapshot_read(&old, 0, 0, &c, 1), 1);
	bf_memslots_drop(&old);
	bf_memslots_drop(&now);
}

/* A device holds a snapshot for a transfer while its memory is removed. */
struct unplug {
	struct bf_memslots_snapshot snapshot;
	sem_t held, removed;
	bool dropped;
};

static void *drop_later(void *arg)
{
	struct unplug *unplug = arg;
	struct timespec while_copying = {.tv_nsec = 20000000};

	nanosleep(&while_copying, NULL);
	assert_non_null(bf_memslots_hva(&unplug->snapshot, 0, 0, 1, true));
	__atomic_store_n(&unplug->dropped, true, __ATOMIC_RELAXED);
	bf_memslots_drop(&unplug->snapshot);
	return NULL;
}

static void test_removal_waits(void **state)
{
	struct unplug unplug = {.dropped = false};
	pthread_t thread;

	assert_int_equal(set(0, 0, 1, 0), 0);
	bf_memslots_take(map, &unplug.snapshot);
	assert_int_equal(pthread_create(&thread, NULL, drop_later, &unplug), 0);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_true(__atomic_load_n(&unplug.dropped, __ATOMIC_RELAXED));
	pthread_join(thread, NULL);
	assert_int_equal(bf_memslots_remove(map, 0), -EINVAL);
}

static void test_move_waits(void **state)
{
	struct unplug unplug = {.dropped = false};
	pthread_t thread;

	assert_int_equal(set(0, 0, 1, 0), 0);
	bf_memslots_take(map, &unplug.snapshot);
	assert_int_equal(pthread_create(&thread, NULL, drop_later, &unplug), 0);
	assert_int_equal(set(0, PAGE, 1, 0), 0);
	assert_true(__atomic_load_n(&unplug.dropped, __ATOMIC_RELAXED));
	pthread_join(thread, NULL);
}

static void note_removed(void *opaque)
{
	struct unplug *unplug = opaque;

	assert_true(__atomic_load_n(&unplug->dropped, __ATOMIC_RELAXED));
	sem_post(&unplug->removed);
}

static void test_removal_calls_back(void **state)
{
	struct unplug unplug = {.dropped = false};

	sem_init(&unplug.removed, 0, 0);
	assert_int_equal(set(0, 0, 1, 0), 0);
	bf_memslots_take(map, &unplug.snapshot);
	assert_int_equal(
		bf_memslots_remove_async(map, 0, note_removed, &unplug), 0);
	assert_null(find(0, 1, false));
	assert_int_equal(bf_memslots_remove_async(map, 0, note_removed,
						  &unplug),
			 -EINVAL);
	drop_later(&unplug);
	sem_wait(&unplug.removed);
	sem_destroy(&unplug.removed);
}

static void count_call(void *opaque)
{
	__atomic_fetch_add((int *)opaque, 1, __ATOMIC_RELAXED);
}

static void test_destroy_runs_pending_callbacks(void **state)
{
	int calls = 0;

	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_int_equal(bf_memslots_remove_async(map, 0, count_call, &calls),
			 0);
	assert_int_equal(bf_memslots_commit_async(map, NULL, NULL, 0,
						  count_call, &calls, NULL),
			 0);
	bf_memslots_destroy(map);
	assert_int_equal(calls, 2);
	assert_int_equal(bf_memslots_create(NULL, &map), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_snapshot_keeps_its_view),
		MAP_TEST(test_removal_waits),
		MAP_TEST(test_move_waits),
		MAP_TEST(test_removal_calls_back),
		MAP_TEST(test_destroy_runs_pending_callbacks),
	};

	return cmocka_run_group_tests_name("memslots_removal", tests, NULL,
					   NULL);
}
