// SPDX-License-Identifier: MIT
/*
 * A process that cannot start a thread.  This test is linked with
 * --wrap=pthread_create, and the wrapper fails.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "belfry/srcu.h"

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*start)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*start)(void *), void *arg)
{
	return EAGAIN;
}

static int ran;

static void count(struct srcu_head *head)
{
	ran++;
}

static void test_barrier_runs_callbacks(void **state)
{
	struct srcu_struct other, ssp;
	struct srcu_head heads[3], left;
	int i;

	assert_int_equal(init_srcu_struct(&ssp), 0);
	assert_int_equal(init_srcu_struct(&other), 0);
	call_srcu(&other, &left, count);
	for (i = 0; i < 3; i++)
		call_srcu(&ssp, &heads[i], count);
	assert_int_equal(ran, 0);
	srcu_barrier(&ssp);
	assert_int_equal(ran, 3);
	synchronize_srcu(&ssp);
	assert_int_equal(cleanup_srcu_struct(&ssp), 0);
	srcu_barrier(&other);
	assert_int_equal(ran, 4);
	assert_int_equal(cleanup_srcu_struct(&other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_barrier_runs_callbacks),
	};

	return cmocka_run_group_tests_name("srcu_no_thread", tests, NULL, NULL);
}
