// SPDX-License-Identifier: MIT
/* fork(): the child can use every domain, whatever other threads were doing. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "srcu/gp.h"
#include "tests/flags.h"

#define HOUR_NS (3600ULL * 1000000000ULL)

static struct srcu_struct ssp;
static int inside, leave, called;

static void count(struct srcu_head *head)
{
	__atomic_fetch_add(&called, 1, __ATOMIC_RELEASE);
}

/*
 * If a process forks while one of its threads starts, AddressSanitizer cannot
 * allocate in the child.  So fork only after the worker has started.
 */
static void let_worker_start(void)
{
	usleep(50000);
}

/* Runs fn in a child.  It must return 0 before the alarm. */
static void check_in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *hold(void *arg)
{
	int idx = srcu_read_lock(&ssp);

	set(&inside, 1);
	wait_for(&leave, 1);
	srcu_read_unlock(&ssp, idx);
	return arg;
}

/* By default TSan kills a forked child that starts a thread. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

static int use_and_count(int expected)
{
	struct srcu_head heads[2];
	int idx = srcu_read_lock(&ssp);

	called = 0;
	srcu_read_unlock(&ssp, idx);
	synchronize_srcu_expedited(&ssp);
	synchronize_srcu(&ssp);
	call_srcu(&ssp, &heads[0], count);
	call_srcu_expedited(&ssp, &heads[1], count);
	srcu_barrier(&ssp);
	return called != expected || cleanup_srcu_struct(&ssp);
}

static int use_domain(void)
{
	return use_and_count(2);
}

/* The reader does not exist in the child, so nothing there waits for it. */
static void test_reader_in_another_thread(void **state)
{
	pthread_t thread;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	pthread_create(&thread, NULL, hold, NULL);
	wait_for(&inside, 1);
	check_in_child(use_domain);
	/* The fork did not end the section in the parent. */
	assert_true(bf_srcu_gp_readers(&ssp));
	set(&leave, 1);
	pthread_join(thread, NULL);
	synchronize_srcu_expedited(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static int drain_inherited(void)
{
	int before = called;

	srcu_barrier(&ssp);
	return called != before + 3 || cleanup_srcu_struct(&ssp);
}

static void test_pending_callbacks_run_on_both_sides(void **state)
{
	struct srcu_head heads[3];
	int i;

	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	bf_srcu_set_pace(&ssp, HOUR_NS);
	for (i = 0; i < 3; i++)
		call_srcu(&ssp, &heads[i], count);
	let_worker_start();
	check_in_child(drain_inherited);
	assert_int_equal(called, 0);
	srcu_barrier(&ssp);
	assert_int_equal(called, 3);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void block(struct srcu_head *head)
{
	set(&inside, 1);
	wait_for(&leave, 1);
	__atomic_fetch_add(&called, 1, __ATOMIC_RELEASE);
}

static int drain_batch(void)
{
	/* The thread that is in the first callback does not exist here. */
	srcu_barrier(&ssp);
	return called != 2 || cleanup_srcu_struct(&ssp);
}

static void test_fork_while_callbacks_run(void **state)
{
	struct srcu_head heads[3];

	set(&inside, 0);
	set(&leave, 0);
	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	bf_srcu_set_pace(&ssp, HOUR_NS);
	call_srcu(&ssp, &heads[0], block);
	call_srcu(&ssp, &heads[1], count);
	call_srcu(&ssp, &heads[2], count);
	synchronize_srcu_expedited(&ssp);
	wait_for(&inside, 1);
	check_in_child(drain_batch);
	set(&leave, 1);
	srcu_barrier(&ssp);
	assert_int_equal(called, 3);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void *wait_in_barrier(void *arg)
{
	srcu_barrier(&ssp);
	return arg;
}

static int use_domain_and_inherited(void)
{
	return use_and_count(3);
}

/*
 * The waiter's barrier lies on the waiter's stack.  The child may use that
 * stack for another thread, so the child must not touch the barrier.
 */
static void test_fork_while_a_barrier_waits(void **state)
{
	struct srcu_head head;
	pthread_t reader, waiter;

	set(&inside, 0);
	set(&leave, 0);
	called = 0;
	assert_int_equal(init_srcu_struct(&ssp), 0);
	pthread_create(&reader, NULL, hold, NULL);
	wait_for(&inside, 1);
	call_srcu(&ssp, &head, count);
	pthread_create(&waiter, NULL, wait_in_barrier, NULL);
	usleep(20000);
	check_in_child(use_domain_and_inherited);
	set(&leave, 1);
	pthread_join(reader, NULL);
	pthread_join(waiter, NULL);
	assert_int_equal(called, 1);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static void *synchronize_thread(void *arg)
{
	synchronize_srcu_expedited(&ssp);
	return arg;
}

static unsigned long cookie;

static int poll_and_clean_up(void)
{
	if (!poll_state_synchronize_srcu(&ssp, cookie))
		return 1;
	return cleanup_srcu_struct(&ssp) ? 2 : 0;
}

/* A grace period in progress in the parent has ended in the child. */
static void test_grace_period_in_progress(void **state)
{
	pthread_t reader, waiter;

	set(&inside, 0);
	set(&leave, 0);
	assert_int_equal(init_srcu_struct(&ssp), 0);
	pthread_create(&reader, NULL, hold, NULL);
	wait_for(&inside, 1);
	pthread_create(&waiter, NULL, synchronize_thread, NULL);
	usleep(20000);
	cookie = start_poll_synchronize_srcu(&ssp);
	let_worker_start();
	check_in_child(poll_and_clean_up);
	set(&leave, 1);
	pthread_join(reader, NULL);
	pthread_join(waiter, NULL);
	synchronize_srcu_expedited(&ssp);
	synchronize_srcu_expedited(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

static int update_stop;

/*
 * The head is not on the stack of this thread: the callback is pending in the
 * child too, where this stack does not exist.
 */
static void *update_constantly(void *arg)
{
	struct srcu_head *head = arg;

	while (!get(&update_stop)) {
		call_srcu(&ssp, head, count);
		synchronize_srcu_expedited(&ssp);
		srcu_barrier(&ssp);
		/* Let the forking thread run on a machine with one CPU. */
		usleep(10);
	}
	return NULL;
}

static int synchronize_once(void)
{
	synchronize_srcu_expedited(&ssp);
	return 0;
}

/* Updaters take the lock all the time; the child must find it free. */
static void test_fork_beside_updaters(void **state)
{
	static struct srcu_head heads[2];
	pthread_t threads[2];
	int i;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, update_constantly, &heads[i]);
	let_worker_start();
	for (i = 0; i < 50; i++)
		check_in_child(synchronize_once);
	set(&update_stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reader_in_another_thread),
		cmocka_unit_test(test_pending_callbacks_run_on_both_sides),
		cmocka_unit_test(test_fork_while_callbacks_run),
		cmocka_unit_test(test_fork_while_a_barrier_waits),
		cmocka_unit_test(test_grace_period_in_progress),
		cmocka_unit_test(test_fork_beside_updaters),
	};

	return cmocka_run_group_tests_name("srcu_fork", tests, NULL, NULL);
}
