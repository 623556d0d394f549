/* SPDX-License-Identifier: MIT */
/* Numbers of fds: what a program does with its own, seen or not. */
#include <stdlib.h>
#include <string.h>

#include "preload_fixture.h"

/* Grown while there is one thread; what only measures leaves it alone. */
static void test_fd_table(void **state)
{
	run(&alone, "fd-table", NULL);
	run(&under, "fd-table", "plain");
	assert_string_equal(under.out, alone.out);
	assert_true(atoi(alone.out) < 1024);
	run(&under, "fd-table", "never");
	assert_true(atoi(under.out) >= 1024);
}

static void test_numbers(void **state)
{
	compare_all("numbers");
	/* All of them were seen, whatever number they came through. */
	assert_int_equal(under.stats.assigned, 4);
	assert_int_equal(under.stats.installed, 4);
	assert_int_equal(under.stats.vms, 1);
	assert_int_equal(under.stats.aside, 0);
}

/* The numbers through which belfry installs are not theirs to close. */
static void test_strangers(void **state)
{
	compare_all("strangers");
	assert_int_equal(under.stats.installed, 2);
	assert_int_equal(under.stats.refused, 0);
}

/* While they are on their way the program has no number of the VM. */
static void test_received(void **state)
{
	compare_all("received");
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err, "belfry: steps aside for a VM: its fd"
				       " is sent over a socket\n");
}

static void test_pidfd(void **state)
{
	compare_all("pidfd");
	assert_int_equal(under.stats.aside, 0);
	/* All that the other numbers asked for was answered here. */
	assert_int_equal(under.stats.assigned, 3);
	assert_int_equal(under.stats.deassigned, 1);
}

static void test_raw(void **state)
{
	compare_all("raw");
	assert_int_equal(under.stats.vms, 1);
	assert_int_equal(under.stats.assigned, 0);
	/* Of the one that was seen to be made. */
	assert_int_equal(find_call(&under.stats, STATS_CLOSE_VM)->calls, 1);
}

/* Its exits are not to be seen, so the kernel must have its doorbells. */
static void test_raw_run(void **state)
{
	compare_all("raw-run");
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err, "belfry: steps aside for a VM: it is"
				       " called past ioctl()\n");
}

/* Nor to replace: of all numbers this one cannot be had. */
static void test_onto_all(void **state)
{
	run(&alone, "onto-all", NULL);
	run(&under, "onto-all", "first-run");
	assert_int_equal(strncmp(alone.out, "busy: 0, failed: 0\n", 19), 0);
	assert_int_equal(strncmp(under.out, "busy: 1, failed: 0\n", 19), 0);
	assert_string_equal(under.out + 19, alone.out + 19);
	assert_int_equal(under.status, 0);
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(under.stats.refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fd_table),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_pidfd),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_raw_run),
		cmocka_unit_test(test_onto_all),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
