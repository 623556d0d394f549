/* SPDX-License-Identifier: MIT */
/* A program duplicates, closes, sends and receives its fds. */
#include <stdlib.h>
#include <string.h>

#include "preload_fixture.h"

/* The library grows the table at the start, except under plain. */
static void test_fd_table_is_grown(void **state)
{
	run_scenario(&alone, "fd-table", NULL);
	run_scenario(&under, "fd-table", "plain");
	assert_string_equal(under.out, alone.out);
	assert_true(atoi(alone.out) < 1024);
	run_scenario(&under, "fd-table", "never");
	assert_true(atoi(under.out) >= 1024);
}

static void test_fds_are_followed(void **state)
{
	compare_all_policies("fds");
	/* The front saw each call, whichever fd the program used. */
	assert_int_equal(under.stats.assigned, 4);
	assert_int_equal(under.stats.installed, 4);
	assert_int_equal(under.stats.vms, 1);
	assert_int_equal(under.stats.passed_through, 0);
}

/* The program cannot close the private fds that belfry installs through. */
static void test_private_fds_stay_open(void **state)
{
	compare_all_policies("close-all");
	assert_int_equal(under.stats.installed, 2);
	assert_int_equal(under.stats.refused, 0);
}

/* While the message is in flight, the program has no fd of the VM. */
static void test_sent_vm_is_passed_through(void **state)
{
	compare_all_policies("received");
	assert_int_equal(under.stats.passed_through, 1);
	assert_string_equal(under.err,
			    "belfry: passing a VM through to the kernel: its fd"
			    " is sent over a socket\n");
}

static void test_pidfd_duplicates_are_recognised(void **state)
{
	compare_all_policies("pidfd");
	assert_int_equal(under.stats.passed_through, 0);
	/* The front answered the calls through the other fds too. */
	assert_int_equal(under.stats.assigned, 3);
	assert_int_equal(under.stats.deassigned, 1);
}

static void test_raw_vm_is_untracked(void **state)
{
	compare_all_policies("raw-vm");
	assert_int_equal(under.stats.vms, 1);
	assert_int_equal(under.stats.assigned, 0);
	/* Only of the VM that the program created by ioctl(). */
	assert_int_equal(find_call(&under.stats, STATS_CLOSE_VM)->calls, 1);
}

/* belfry does not see the exits, so the kernel must get the doorbells. */
static void test_raw_run_passes_vm_through(void **state)
{
	compare_all_policies("raw-run");
	assert_int_equal(under.stats.passed_through, 1);
	assert_string_equal(under.err,
			    "belfry: passing a VM through to the kernel: the"
			    " program calls it past ioctl()\n");
}

static void test_each_reason_is_printed_once(void **state)
{
	compare_all_policies("raw-runs");
	assert_int_equal(under.stats.passed_through, 4);
	assert_string_equal(under.err,
			    "belfry: passing a VM through to the kernel: the"
			    " program calls it past ioctl()\n"
			    "belfry: passing a VM through to the kernel: its fd"
			    " is sent over a socket\n");
}

/* dup2() onto the private fd fails, and onto no other. */
static void test_private_fd_cannot_be_replaced(void **state)
{
	run_scenario(&alone, "dup2-onto-all", NULL);
	run_scenario(&under, "dup2-onto-all", "first-run");
	assert_int_equal(strncmp(alone.out, "busy: 0, failed: 0\n", 19), 0);
	assert_int_equal(strncmp(under.out, "busy: 1, failed: 0\n", 19), 0);
	assert_string_equal(under.out + 19, alone.out + 19);
	assert_int_equal(under.status, 0);
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(under.stats.refused, 0);
}

/* A duplicate for each eventfd, and most of the limit for the program. */
static void test_few_private_fds(void **state)
{
	compare_all_policies("shared-duplicates");
	compare_all_policies("fd-reserve");
	assert_string_equal(under.err, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_private_fds),
		cmocka_unit_test(test_fd_table_is_grown),
		cmocka_unit_test(test_fds_are_followed),
		cmocka_unit_test(test_private_fds_stay_open),
		cmocka_unit_test(test_sent_vm_is_passed_through),
		cmocka_unit_test(test_pidfd_duplicates_are_recognised),
		cmocka_unit_test(test_raw_vm_is_untracked),
		cmocka_unit_test(test_raw_run_passes_vm_through),
		cmocka_unit_test(test_each_reason_is_printed_once),
		cmocka_unit_test(test_private_fd_cannot_be_replaced),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
