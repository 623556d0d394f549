/* SPDX-License-Identifier: MIT */
/* Eventfds that another process has, and arguments that the kernel refuses. */
#include "preload_fixture.h"

static void compare_never(const char *scenario)
{
	run_scenario(&alone, scenario, NULL);
	assert_int_equal(alone.status, 0);
	compare_scenario(scenario, "never");
}

static void test_holder_of_an_eventfd_blocks_nothing(void **state)
{
	/* clang-format off */
	static const char *const scenarios[] = {
		"shared-by-message",
		"shared-by-clone",
		"shared-by-raw-fork",
		"shared-by-libc-clone",
		"shared-by-execution",
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		compare_never(scenarios[i]);
		assert_int_equal(signals(&under.stats), 3);
	}
}

/*
 * The kernel has the doorbells of a shared eventfd where a signal in user space
 * could sleep, whatever comes first.
 */
static void test_holder_blocks_no_filtered_thread(void **state)
{
	/* clang-format off */
	static const char *const scenarios[] = {
		"shared-then-filtered",
		"filtered-then-shared",
		"filtered-then-forked",
		"filtered-then-registered",
		"no-context",
		"no-context-later",
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		compare_never(scenarios[i]);
		assert_int_equal(under.stats.passed_through, 1);
		compare_scenario(scenarios[i], "lazy");
		compare_scenario(scenarios[i], "first-run");
	}
}

/*
 * Another thread signals where neither the kernel has the doorbell nor the
 * vCPU's thread may signal without the risk to sleep.
 */
static void test_holder_blocks_no_thread_without_rights(void **state)
{
	compare_never("filtered-vcpu-shares");
	assert_int_equal(signals(&under.stats), 3);
	assert_int_equal(under.stats.passed_through, 0);
	compare_scenario("filtered-vcpu-shares", "lazy");
	compare_never("refused-then-shared");
	assert_int_equal(signals(&under.stats), 3);
	assert_int_equal(under.stats.refused, 1);
}

/* Where only a write can signal, another thread makes it, and may sleep. */
static void test_holder_blocks_no_vcpu_without_context(void **state)
{
	compare_never("filled-after-poll");
	assert_int_equal(signals(&under.stats), 3);
	assert_int_equal(under.stats.refused, 2);
}

/* A filter of another thread counts for one that has signalled before. */
static void test_filter_for_all(void **state)
{
	compare_never("all-without-poll");
	assert_int_equal(signals(&under.stats), 6);
	compare_never("refused-then-all-filtered");
	assert_int_equal(signals(&under.stats), 6);
	assert_int_equal(under.stats.refused, 1);
}

static void test_filter_for_all_in_between(void **state)
{
	compare_never("all-filtered-in-between");
	assert_int_equal(signals(&under.stats), 6);
	compare_never("all-filtered-inside");
	assert_int_equal(signals(&under.stats), 6);
}

static void test_first_filters_at_once(void **state)
{
	for (int i = 0; i < 20; i++)
		compare_never("first-filters-at-once");
}

static void test_bad_messages(void **state)
{
	compare_never("bad-messages");
}

static void test_bad_filters(void **state)
{
	compare_never("bad-filters");
	assert_int_equal(under.stats.passed_through, 0);
}

/* The library cannot know whether the filter allows its fds. */
static void test_filter_of_fds(void **state)
{
	compare_never("filter-of-fds");
	assert_int_equal(under.stats.passed_through, 1);
}

static void test_children_have_no_duplicates(void **state)
{
	compare_never("eventfds-of-children");
}

/* Beside close_range() no number of the program counts as the library's. */
static void test_sweep(void **state)
{
	compare_never("sweep");
}

/* Nor where the program puts the same eventfd onto a number of the library. */
static void test_replaced_at_once(void **state)
{
	compare_never("replaced-by-dup2");
	compare_never("replaced-by-dup3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holder_of_an_eventfd_blocks_nothing),
		cmocka_unit_test(test_holder_blocks_no_filtered_thread),
		cmocka_unit_test(test_holder_blocks_no_thread_without_rights),
		cmocka_unit_test(test_holder_blocks_no_vcpu_without_context),
		cmocka_unit_test(test_filter_for_all),
		cmocka_unit_test(test_filter_for_all_in_between),
		cmocka_unit_test(test_first_filters_at_once),
		cmocka_unit_test(test_bad_messages),
		cmocka_unit_test(test_bad_filters),
		cmocka_unit_test(test_filter_of_fds),
		cmocka_unit_test(test_children_have_no_duplicates),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_replaced_at_once),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
