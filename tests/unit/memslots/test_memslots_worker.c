// SPDX-License-Identifier: MIT
/* The changes that need SRCU's worker, and those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "memslots_fixture.h"

/* More additions than views that wait for the next change. */
#define MANY 40

static int requests; /* for the worker, which the program forbids */

static void count_request(void *opaque)
{
	requests++;
}

static int forbid_worker(void **state)
{
	return bf_srcu_forbid_worker(count_request, NULL);
}

static void add(uint32_t slot)
{
	assert_int_equal(set(slot, slot * PAGE, 1, 0), 0);
}

static void test_addition_beside_reader_wakes_no_worker(void **state)
{
	struct bf_memslots_snapshot snapshot;
	uint32_t slot;

	requests = 0;
	bf_memslots_take(map, &snapshot);
	for (slot = 0; slot < 10; slot++)
		add(slot);
	bf_memslots_drop(&snapshot);
	add(slot);
	assert_int_equal(requests, 0);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_int_equal(requests, 0);
	assert_null(find(0, 1, false));
	assert_non_null(find(PAGE, 1, false));
}

/* So a reader that sleeps keeps no more than some views. */
static void test_many_additions_beside_reader_wake_worker(void **state)
{
	struct bf_memslots_snapshot snapshot;
	uint32_t slot;

	requests = 0;
	bf_memslots_take(map, &snapshot);
	for (slot = 0; slot < MANY; slot++)
		add(slot);
	assert_int_not_equal(requests, 0);
	bf_memslots_drop(&snapshot);
}

/* The sanitizer finds the views that the end of the map leaves. */
static void test_map_ends_with_replaced_views(void **state)
{
	struct bf_memslots_snapshot snapshot;

	bf_memslots_take(map, &snapshot);
	add(0);
	add(1);
	bf_memslots_drop(&snapshot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_addition_beside_reader_wakes_no_worker),
		MAP_TEST(test_many_additions_beside_reader_wake_worker),
		MAP_TEST(test_map_ends_with_replaced_views),
	};

	return cmocka_run_group_tests_name("memslots_worker", tests,
					   forbid_worker, NULL);
}
