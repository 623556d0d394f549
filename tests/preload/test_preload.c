/* SPDX-License-Identifier: MIT */
/*
 * A program must see the same alone and under belfry, and the counters must
 * show the work of belfry.
 */
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "preload_fixture.h"

static void test_errno(void **state)
{
	compare_all_policies("errno");
	assert_string_equal(under.err, "");
	assert_int_equal(under.stats.installed, 0);
	assert_int_equal(under.stats.never_installed, under.stats.deassigned);
	assert_true(under.stats.deassigned > 0);
	/* A sign-extended request counts under its lower 32 bits. */
	assert_non_null(find_call(&under.stats, (uint32_t)KVM_GET_CLOCK));
}

static void test_zone_errno(void **state)
{
	compare_all_policies("zone-errno");
}

static void test_exits(void **state)
{
	compare_all_policies("exits");
	assert_int_equal(under.stats.assigned, 7);
	assert_int_equal(under.stats.installed, 7);
	assert_true(under.stats.loaded_ns >= under.stats.started_ns);
	assert_true(under.stats.first_run_ns > under.stats.loaded_ns);
}

/* The writes come as exits or through the ring, in the guest's order. */
static void test_zone_keeps_order(void **state)
{
	compare_all_policies("zone-order");
	run_scenario(&under, "zone-order", "lazy");
	assert_string_equal(under.out, alone.out);
}

/* A program that reads the ring before an exit needs BELFRY_ZONES=at-once. */
static void test_zone_ring_needs_zones_at_once(void **state)
{
	setenv("BELFRY_ZONES", "at-once", 1);
	compare_all_policies("zone-ring");
	compare_scenario("zone-ring", "lazy");
	setenv("BELFRY_ZONES", "deferred", 1);
	run_scenario(&under, "zone-ring", "lazy");
	unsetenv("BELFRY_ZONES");
	assert_string_not_equal(under.out, alone.out);
}

static void test_closed_eventfd(void **state)
{
	compare_all_policies("closed-eventfd");
}

/* belfry often cannot see how the program got an eventfd. */
static void test_unseen_eventfds_are_recognised(void **state)
{
	compare_all_policies("unseen-eventfds");
	assert_int_equal(under.stats.assigned, 4);
	assert_int_equal(under.stats.deassigned, 4);
	run_scenario(&under, "unseen-eventfds", "never");
	assert_int_equal(signals(&under.stats), 4 * 3);
}

static void test_full_eventfd(void **state)
{
	compare_all_policies("full-eventfd");
	run_scenario(&under, "full-eventfd", "never");
	assert_int_equal(signals(&under.stats), 6);
}

/* A debugger steps over each write to a doorbell. */
static void test_stepping(void **state)
{
	compare_all_policies("stepping");
	run_scenario(&under, "stepping", "never");
	assert_int_equal(signals(&under.stats), 2); /* before and after */
}

/* Other policies hold a duplicate while the doorbell is registered. */
static void test_eager_closes_polled_eventfd(void **state)
{
	run_scenario(&alone, "polled-eventfd", NULL);
	assert_non_null(strstr(alone.out, "events: 0\n"));
	compare_scenario("polled-eventfd", "plain");
	compare_scenario("polled-eventfd", "eager");
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(under.stats.passed_through, 0);
}

static void test_two_vms(void **state)
{
	compare_all_policies("two-vms");
	assert_int_equal(under.stats.vms, 2);
}

static void test_vm_end(void **state)
{
	compare_all_policies("vm-end");
	/* One of the three VMs ran, so the kernel got its two doorbells. */
	assert_int_equal(under.stats.assigned, 6);
	assert_int_equal(under.stats.installed, 2);
}

static void test_passthrough(void **state)
{
	compare_all_policies("passthrough");
	assert_int_equal(under.stats.passed_through, 1);
	assert_string_equal(under.err,
			    "belfry: passing a VM through to the kernel: cannot"
			    " map a vCPU's run page\n");
}

static void test_plain_ioctl(void **state)
{
	compare_all_policies("plain-ioctl");
}

static uint64_t timed_calls(uint32_t request)
{
	const struct stats_call *call = find_call(&under.stats, request);

	assert_non_null(call);
	return call->calls;
}

/* Of six calls four are on an fd of a VM. */
static void test_untimed_call(void **state)
{
	compare_all_policies("untimed-call");
	assert_int_equal(timed_calls((uint32_t)KVM_GET_MP_STATE), 2);
	setenv("BELFRY_PRINT", "all", 1);
	compare_all_policies("untimed-call");
	unsetenv("BELFRY_PRINT");
	assert_int_equal(timed_calls((uint32_t)KVM_GET_MP_STATE), 6);
}

/* Alone the assign fails with ENOSPC.  Under belfry user space signals. */
static void test_refused_doorbell_signals(void **state)
{
	run_scenario(&under, "refused", "first-run");
	assert_string_equal(under.out, "assign: 0\nend\nsignals: 1000\n");
	assert_int_equal(under.status, 0);
	assert_int_equal(under.stats.refused, 1);
	assert_int_equal(signals(&under.stats), 1000);
	assert_int_equal(runs(&under.stats), 1);
}

static void test_counters_survive_kill(void **state)
{
	run_scenario(&under, "killed", "first-run");
	assert_true(WIFSIGNALED(under.status));
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(runs(&under.stats), 1);
}

/* The policy plain measures, and the kernel answers every call. */
static void test_plain_only_counts(void **state)
{
	const struct stats_call *call;

	run_scenario(&under, "two-vms", "plain");
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

static void test_unknown_policy_changes_nothing(void **state)
{
	run_scenario(&alone, "two-vms", NULL);
	run_scenario(&under, "two-vms", "nonsense");
	assert_string_equal(under.out, alone.out);
	assert_string_equal(
		under.err,
		"belfry: BELFRY_POLICY=nonsense is not valid: changing nothing;"
		" set it to lazy, first-run, never, eager or plain\n");
	assert_int_equal(under.stats.assigned, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_ioctl),
		cmocka_unit_test(test_untimed_call),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_zone_errno),
		cmocka_unit_test(test_zone_keeps_order),
		cmocka_unit_test(test_zone_ring_needs_zones_at_once),
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_closed_eventfd),
		cmocka_unit_test(test_unseen_eventfds_are_recognised),
		cmocka_unit_test(test_full_eventfd),
		cmocka_unit_test(test_stepping),
		cmocka_unit_test(test_eager_closes_polled_eventfd),
		cmocka_unit_test(test_two_vms),
		cmocka_unit_test(test_vm_end),
		cmocka_unit_test(test_passthrough),
		cmocka_unit_test(test_refused_doorbell_signals),
		cmocka_unit_test(test_counters_survive_kill),
		cmocka_unit_test(test_plain_only_counts),
		cmocka_unit_test(test_unknown_policy_changes_nothing),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
