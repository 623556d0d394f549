// SPDX-License-Identifier: MIT
/*
 * VMs that end at the same moment end one after another, but nobody waits for
 * good.  How long is long is for the test to say, so that none hangs on time.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "base/util.h"
#include "vm/close.h"

#define THREADS 4
#define CLOSES	500

enum patience { AS_IT_IS, ENDLESS, NONE };

static enum patience patience;

int __real_pthread_mutex_timedlock(pthread_mutex_t *lock,
				   const struct timespec *until);
int __wrap_pthread_mutex_timedlock(pthread_mutex_t *lock,
				   const struct timespec *until);

int __wrap_pthread_mutex_timedlock(pthread_mutex_t *lock,
				   const struct timespec *until)
{
	if (patience == NONE)
		return ETIMEDOUT;
	return patience == ENDLESS ?
		       pthread_mutex_lock(lock) :
		       __real_pthread_mutex_timedlock(lock, until);
}

static int inside, overlaps, closed;

static void close_slowly(int fd)
{
	if (__atomic_fetch_add(&inside, 1, __ATOMIC_SEQ_CST))
		__atomic_fetch_add(&overlaps, 1, __ATOMIC_SEQ_CST);
	sched_yield();
	__atomic_fetch_add(&closed, fd, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&inside, 1, __ATOMIC_SEQ_CST);
}

static void *close_many(void *unused)
{
	for (int i = 0; i < CLOSES; i++)
		bf_close_in_turn(1, close_slowly);
	return NULL;
}

static void close_in_threads(void)
{
	pthread_t threads[THREADS];

	closed = overlaps = 0;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, close_many, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(closed, THREADS * CLOSES);
}

static void test_one_after_another(void **state)
{
	patience = ENDLESS;
	close_in_threads();
	assert_int_equal(overlaps, 0);
}

static void test_without_a_turn(void **state)
{
	patience = NONE;
	close_in_threads();
}

static int held, let_go;

static void hold(int fd)
{
	set(&held, 1);
	wait_for(&let_go, 1);
}

static void *hold_turn(void *unused)
{
	bf_close_in_turn(1, hold);
	return NULL;
}

static void close_now(int fd)
{
	set(&let_go, 1);
}

/* Who has the turn keeps it until the other one has lost his patience. */
static void test_patience_ends(void **state)
{
	pthread_t thread;

	patience = AS_IT_IS;
	held = let_go = 0;
	assert_int_equal(pthread_create(&thread, NULL, hold_turn, NULL), 0);
	wait_for(&held, 1);
	bf_close_in_turn(1, close_now);
	pthread_join(thread, NULL);
}

/* The thread that has the turn does not live in the child. */
static void test_fork(void **state)
{
	pthread_t thread;
	int status = -1;
	pid_t pid;

	patience = AS_IT_IS;
	held = let_go = 0;
	assert_int_equal(pthread_create(&thread, NULL, hold_turn, NULL), 0);
	wait_for(&held, 1);
	pid = fork();
	if (!pid) {
		bf_close_in_turn(1, close_now);
		_exit(let_go ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	set(&let_go, 1);
	pthread_join(thread, NULL);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_after_another),
		cmocka_unit_test(test_without_a_turn),
		cmocka_unit_test(test_patience_ends),
		cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
