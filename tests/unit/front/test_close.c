// SPDX-License-Identifier: MIT
/*
 * VMs that close at the same moment close one after another, with a limit on
 * the wait.  The test wraps bf_word_lock_until() and chooses the limit, so no
 * result depends on time.
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
#include "front/front.h"
#include "vcpus/vcpus.h"

#define THREADS 4
#define CLOSES	500

enum limit { LIMIT_REAL, LIMIT_NEVER, LIMIT_AT_ONCE };

static enum limit limit;

int __real_bf_word_lock_until(unsigned int *word, uint64_t until_ns);
int __wrap_bf_word_lock_until(unsigned int *word, uint64_t until_ns);

int __wrap_bf_word_lock_until(unsigned int *word, uint64_t until_ns)
{
	if (limit == LIMIT_AT_ONCE)
		return -ETIMEDOUT;
	return __real_bf_word_lock_until(
		word, limit == LIMIT_NEVER ? UINT64_MAX : until_ns);
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
		bf_close_vm(NULL, 1, close_slowly);
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

static void test_closes_are_serialized(void **state)
{
	limit = LIMIT_NEVER;
	close_in_threads();
	assert_int_equal(overlaps, 0);
}

static void test_closes_after_timeout(void **state)
{
	limit = LIMIT_AT_ONCE;
	close_in_threads();
}

static int held, release;

static void hold_lock(int fd)
{
	set(&held, 1);
	wait_for(&release, 1);
}

static void *close_and_hold(void *unused)
{
	bf_close_vm(NULL, 1, hold_lock);
	return NULL;
}

static void close_now(int fd)
{
	set(&release, 1);
}

/* The first close holds the lock until the second one has timed out. */
static void test_close_beside_held_lock(void **state)
{
	pthread_t thread;

	limit = LIMIT_REAL;
	held = release = 0;
	assert_int_equal(pthread_create(&thread, NULL, close_and_hold, NULL),
			 0);
	wait_for(&held, 1);
	bf_close_vm(NULL, 1, close_now);
	pthread_join(thread, NULL);
}

/* The thread that holds the lock does not exist in the child. */
static void test_fork(void **state)
{
	pthread_t thread;
	int status = -1;
	pid_t pid;

	limit = LIMIT_REAL;
	held = release = 0;
	assert_int_equal(pthread_create(&thread, NULL, close_and_hold, NULL),
			 0);
	wait_for(&held, 1);
	pid = fork();
	if (!pid) {
		bf_close_vm(NULL, 1, close_now);
		_exit(release ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	set(&release, 1);
	pthread_join(thread, NULL);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closes_are_serialized),
		cmocka_unit_test(test_closes_after_timeout),
		cmocka_unit_test(test_close_beside_held_lock),
		cmocka_unit_test(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
