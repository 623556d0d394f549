/* SPDX-License-Identifier: MIT */
/*
 * A program sees the same with and without belfry under it, and the counters
 * say what belfry did.
 */
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "preload_fixture.h"

static void test_errno(void **state)
{
	compare_all("errno");
	assert_string_equal(under.err, "");
	assert_int_equal(under.stats.installed, 0);
	assert_int_equal(under.stats.never_known, under.stats.deassigned);
	assert_true(under.stats.deassigned > 0);
	/* A request with the sign of its int is known by its 32 bits. */
	assert_non_null(find_call(&under.stats, (uint32_t)KVM_GET_CLOCK));
}

static void test_zone_errno(void **state)
{
	compare_all("zone-errno");
}

static void test_exits(void **state)
{
	compare_all("exits");
	assert_int_equal(under.stats.assigned, 7);
	assert_int_equal(under.stats.installed, 7);
	assert_true(under.stats.loaded_ns >= under.stats.started_ns);
	assert_true(under.stats.first_run_ns > under.stats.loaded_ns);
}

/* Whether as exits or through the ring: in the guest's order. */
static void test_zone_order(void **state)
{
	compare_all("zone-order");
	run(&under, "zone-order", "lazy");
	assert_string_equal(under.out, alone.out);
}

/* For a program that does not wait for an exit there is an option. */
static void test_zone_ring(void **state)
{
	setenv("BELFRY_ZONES", "at-once", 1);
	compare_all("zone-ring");
	compare("zone-ring", "lazy");
	setenv("BELFRY_ZONES", "deferred", 1);
	run(&under, "zone-ring", "lazy");
	unsetenv("BELFRY_ZONES");
	assert_string_not_equal(under.out, alone.out);
}

static void test_closed_eventfd(void **state)
{
	compare_all("closed-eventfd");
}

/* Not by how they were made: that is often not to be seen. */
static void test_unseen_eventfds(void **state)
{
	compare_all("unseen-eventfds");
	assert_int_equal(under.stats.assigned, 4);
	assert_int_equal(under.stats.deassigned, 4);
	run(&under, "unseen-eventfds", "never");
	assert_int_equal(rings(&under.stats), 4 * 3);
}

static void test_full_eventfd(void **state)
{
	compare_all("full-eventfd");
	run(&under, "full-eventfd", "never");
	assert_int_equal(rings(&under.stats), 3);
}

/* Other policies hold a number of it for as long as it is registered. */
static void test_polled_eventfd(void **state)
{
	run(&alone, "polled-eventfd", NULL);
	assert_non_null(strstr(alone.out, "events: 0\n"));
	compare("polled-eventfd", "plain");
	compare("polled-eventfd", "eager");
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(under.stats.aside, 0);
}

static void test_two_vms(void **state)
{
	compare_all("two-vms");
	assert_int_equal(under.stats.vms, 2);
}

static void test_death(void **state)
{
	compare_all("death");
	/* Of three VMs only one ran, so the kernel saw only its doorbells. */
	assert_int_equal(under.stats.assigned, 6);
	assert_int_equal(under.stats.installed, 2);
}

static void test_aside(void **state)
{
	compare_all("aside");
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err, "belfry: steps aside for a VM: cannot"
				       " map a vCPU's run page\n");
}

static void test_plain_ioctl(void **state)
{
	compare_all("plain-ioctl");
}

/* The kernel alone would say ENOSPC; belfry rings in user space. */
static void test_refused(void **state)
{
	run(&under, "refused", "first-run");
	assert_string_equal(under.out, "assign: 0\nexit 5\nrung: 1000\n");
	assert_int_equal(under.status, 0);
	assert_int_equal(under.stats.refused, 1);
	assert_int_equal(rings(&under.stats), 1000);
	assert_int_equal(runs(&under.stats), 1);
}

static void test_killed(void **state)
{
	run(&under, "killed", "first-run");
	assert_true(WIFSIGNALED(under.status));
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(runs(&under.stats), 1);
}

/* Plain measures, and answers for nothing. */
static void test_plain_counts(void **state)
{
	const struct stats_call *call;

	run(&under, "two-vms", "plain");
	assert_int_equal(under.stats.assigned, 0);
	assert_int_equal(under.stats.vms, 2);
	assert_int_equal(runs(&under.stats), 2);
	call = find_call(&under.stats, (uint32_t)KVM_IOEVENTFD);
	assert_non_null(call);
	assert_int_equal(call->calls, 2);
	assert_int_equal(call->errors, 0);
	assert_true(call->longest_ns > 0);
	assert_true(call->longest_ns <= call->total_ns);
	call = find_call(&under.stats, STATS_CLOSE_VM);
	assert_non_null(call);
	assert_int_equal(call->calls, 2);
	assert_null(find_call(&under.stats, STATS_INSTALL));
}

static void test_unknown_policy(void **state)
{
	run(&alone, "two-vms", NULL);
	run(&under, "two-vms", "nonsense");
	assert_string_equal(under.out, alone.out);
	assert_string_equal(under.err, "belfry: BELFRY_POLICY=nonsense is"
				       " unknown: changing nothing\n");
	assert_int_equal(under.stats.assigned, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_ioctl),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_zone_errno),
		cmocka_unit_test(test_zone_order),
		cmocka_unit_test(test_zone_ring),
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_closed_eventfd),
		cmocka_unit_test(test_unseen_eventfds),
		cmocka_unit_test(test_full_eventfd),
		cmocka_unit_test(test_polled_eventfd),
		cmocka_unit_test(test_two_vms),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_plain_counts),
		cmocka_unit_test(test_unknown_policy),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
