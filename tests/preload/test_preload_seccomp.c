/* SPDX-License-Identifier: MIT */
/* Programs with seccomp filters that forbid system calls of belfry. */
#include <stdlib.h>
#include <string.h>

#include "preload_fixture.h"

/* write(2) kills the vCPU's thread, and a signal in user space needs it. */
static void test_filter_passes_vms_through(void **state)
{
	compare_all_policies("seccomp");
	run_scenario(&under, "seccomp", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.passed_through, 1);
	assert_string_equal(
		under.err,
		"belfry: passing a VM through to the kernel: a seccomp filter"
		" forbids system calls that belfry makes\n");
}

/* A filter that forbids no call of belfry changes nothing. */
static void test_mild_filter_changes_nothing(void **state)
{
	compare_all_policies("seccomp-mild");
	run_scenario(&under, "seccomp-mild", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.passed_through, 0);
	assert_int_equal(signals(&under.stats), 3);
}

/* A vCPU's thread that may call ioctl(KVM_RUN), write() and futex() alone. */
static void test_filters_of_threads(void **state)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	compare_all_policies("seccomp-threads");
	run_scenario(&under, "seccomp-threads", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.passed_through, 0);
	assert_int_equal(signals(&under.stats), 300);
	run_scenario(&under, "seccomp-threads", "lazy");
	assert_int_equal(under.stats.passed_through, 0);
}

/* Such a thread gets no EINTR, though the program has a handler. */
static void test_kicks_of_filtered_threads(void **state)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	compare_all_policies("seccomp-kicks");
	run_scenario(&under, "seccomp-kicks", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(signals(&under.stats), 300);
}

/*
 * If the program has not asked for immediate_exit, each served exit would
 * return EINTR.  So the kernel has the doorbells before the filter comes.
 */
static void test_handler_of_filtered_threads(void **state)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	compare_all_policies("seccomp-handler");
	run_scenario(&under, "seccomp-handler", "lazy");
	assert_string_equal(under.out, alone.out);
	assert_string_equal(
		under.err,
		"belfry: passing a VM through to the kernel: a seccomp filter"
		" forbids to guard kicks, and the program did not ask for"
		" KVM_CAP_IMMEDIATE_EXIT\n");
	assert_int_equal(signals(&under.stats), 0);
	assert_int_equal(runs(&under.stats), 1);
}

/* Neither a filter elsewhere nor one without getpid() matters. */
static void test_filter_of_another_thread(void **state)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	compare_all_policies("seccomp-idle");
	run_scenario(&under, "seccomp-idle", "never");
	assert_int_equal(under.stats.passed_through, 0);
	assert_int_equal(signals(&under.stats), 3);
}

/*
 * No VMM may die of a system call that belfry makes.  Skipped with a sanitizer,
 * because its runtime makes calls of its own.
 */
static void compare_forbidden(const char *scenario)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	run_scenario(&alone, scenario, NULL);
	assert_true(strlen(alone.out) > 0);
	compare_scenario(scenario, "plain");
	compare_scenario(scenario, "lazy");
	assert_true(under.stats.passed_through > 0);
	assert_true(under.stats.passed_through < under.stats.vms);
	assert_true(signals(&under.stats) > 0);
}

static void test_each_call_forbidden_at_start(void **state)
{
	compare_forbidden("forbidden");
}

static void test_each_call_forbidden_later(void **state)
{
	compare_forbidden("forbidden-late");
}

static void test_each_call_forbidden_to_vcpu(void **state)
{
	compare_forbidden("forbidden-vcpu");
}

static void test_each_call_failing(void **state)
{
	compare_forbidden("refused-calls");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filter_passes_vms_through),
		cmocka_unit_test(test_mild_filter_changes_nothing),
		cmocka_unit_test(test_filters_of_threads),
		cmocka_unit_test(test_kicks_of_filtered_threads),
		cmocka_unit_test(test_handler_of_filtered_threads),
		cmocka_unit_test(test_filter_of_another_thread),
		cmocka_unit_test(test_each_call_forbidden_at_start),
		cmocka_unit_test(test_each_call_forbidden_later),
		cmocka_unit_test(test_each_call_forbidden_to_vcpu),
		cmocka_unit_test(test_each_call_failing),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
