// SPDX-License-Identifier: MIT
/* Memory that changes leave behind: four share a grace period. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "srcu/deferred.h"

#define MANY 33 /* one more than may wait for a reader */

static struct srcu_struct domain;
static struct bf_deferred deferred;
static struct srcu_head heads[MANY];
static unsigned int used, freed;

static void count_free(struct srcu_head *head)
{
	__atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
}

static void defer(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		bf_deferred_add(&deferred, &heads[used++], count_free);
		bf_deferred_free(&domain, &deferred);
	}
}

static int setup(void **state)
{
	used = freed = 0;
	deferred = (struct bf_deferred){0};
	return init_srcu_struct(&domain);
}

static int teardown(void **state)
{
	cleanup_srcu_struct(&domain);
	return 0;
}

static void fourth_change_frees(void **state)
{
	defer(3);
	assert_int_equal(freed, 0);
	defer(1);
	assert_int_equal(freed, 4);
	assert_int_equal(deferred.count, 0);
}

static void reader_holds_up(void **state)
{
	int idx = srcu_read_lock(&domain);

	defer(MANY - 1);
	assert_int_equal(freed, 0);
	assert_int_equal(deferred.count, MANY - 1);
	srcu_read_unlock(&domain, idx);
	bf_deferred_free(&domain, &deferred);
	assert_int_equal(freed, MANY - 1);
}

static void worker_frees_behind_a_reader(void **state)
{
	int idx = srcu_read_lock(&domain);

	defer(MANY);
	assert_int_equal(freed, 0);
	assert_int_equal(deferred.count, 0);
	srcu_read_unlock(&domain, idx);
	srcu_barrier(&domain);
	assert_int_equal(__atomic_load_n(&freed, __ATOMIC_RELAXED), MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fourth_change_frees, setup,
						teardown),
		cmocka_unit_test_setup_teardown(reader_holds_up, setup,
						teardown),
		cmocka_unit_test_setup_teardown(worker_frees_behind_a_reader,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
