/* SPDX-License-Identifier: MIT */
/* Threads, kicks and child processes. */
#include <stdlib.h>
#include <string.h>

#include "preload_fixture.h"

static void test_threads(void **state)
{
	compare_all_policies("threads");
	assert_int_equal(under.stats.assigned, 201);
}

static void test_fork(void **state)
{
	compare_all_policies("fork");
	/* One in the parent and one in the child's VM; the inherited VM counts
	 * none. */
	assert_int_equal(under.stats.assigned, 2);
	assert_int_equal(under.stats.vms, 2);
}

static void test_vfork(void **state)
{
	compare_all_policies("vfork");
	assert_string_equal(under.err, "");
	assert_int_equal(under.stats.passed_through, 0);
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 1);
}

/*
 * A sanitizer's runtime delays handlers, and does not know the child of a raw
 * clone().
 */
static void skip_with_sanitizer(void)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
}

/* Children that share neither a pid nor a handler of pthread_atfork(). */
static void test_raw_clone(void **state)
{
	skip_with_sanitizer();
	compare_all_policies("clone");
	assert_int_equal(under.stats.vms, 2);
}

static void test_pid_namespaces(void **state)
{
	skip_with_sanitizer();
	run_scenario(&alone, "pidns", NULL);
	if (strstr(alone.out, "no PID namespaces"))
		skip();
	assert_true(strlen(alone.out) > 0);
	compare_scenario("pidns", "never");
	compare_scenario("pidns", "lazy");
	assert_int_equal(under.status, 0);
}

static void test_kick_by_immediate_exit(void **state)
{
	run_scenario(&under, "kick", "first-run");
	assert_string_equal(under.out, "assign: 0\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "signalled: 1\n");
	assert_int_equal(under.status, 0);
	assert_true(signals(&under.stats) > 0);
}

/* A kick that comes while belfry serves an exit ends the next KVM_RUN. */
static void test_kick_by_flag(void **state)
{
	compare_all_policies("kick-flag");
	run_scenario(&under, "kick-flag", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(signals(&under.stats) > 100);
	assert_true(runs(&under.stats) < 100);
}

/* Handlers that no interposed function could see. */
static void test_kick_by_unseen_handler(void **state)
{
	skip_with_sanitizer();
	compare_all_policies("kick-unseen");
	run_scenario(&under, "kick-unseen", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(signals(&under.stats) > runs(&under.stats));
}

/* A handler by itself causes no EINTR. */
static void test_no_kick_no_eintr(void **state)
{
	compare_all_policies("no-kick");
	run_scenario(&under, "no-kick", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(signals(&under.stats), 900);
	assert_int_equal(runs(&under.stats), 3);
}

/* A vCPU's thread that leaves KVM_RUN by a long jump leaves nothing behind. */
static void test_long_jump(void **state)
{
	skip_with_sanitizer();
	compare_all_policies("long-jump");
}

/*
 * After the first jump no handler interrupts the library, so that no jump
 * leaves a section open, also in a program that sets immediate_exit.
 */
static void test_many_jumps(void **state)
{
	skip_with_sanitizer();
	run_scenario(&alone, "many-jumps", NULL);
	compare_scenario("many-jumps", "never");
	assert_int_equal(under.status, 0);
	assert_true(signals(&under.stats) > 0);
}

/* Each jump leaves sections open, which no removal waits for. */
static void test_jumps_out_of_exits(void **state)
{
	skip_with_sanitizer();
	run_scenario(&alone, "jumps-out-of-exits", NULL);
	compare_scenario("jumps-out-of-exits", "never");
	assert_int_equal(under.status, 0);
	assert_int_equal(signals(&under.stats), 0);
	assert_int_equal(runs(&under.stats), 3 * (5 + 1));
	compare_scenario("jumps-out-of-exits", "lazy");
}

/* Under lazy the front installs the doorbell: no change is in progress. */
static void test_jumps_out_of_calls(void **state)
{
	skip_with_sanitizer();
	compare_all_policies("jumps-out-of-calls");
	compare_scenario("jumps-out-of-calls", "lazy");
	assert_int_equal(under.stats.installed, 1);
}

/* pthread_cancel() of a vCPU's thread ends it where it does without belfry. */
static void test_cancel(void **state)
{
	compare_all_policies("cancel");
	run_scenario(&under, "cancel", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(signals(&under.stats) > 0);
}

/* Wherever a kick stops the vCPU, the signals match its registers. */
static void test_kick_leaves_registers_consistent(void **state)
{
	compare_all_policies("kick-regs");
	run_scenario(&under, "kick-regs", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(signals(&under.stats) > 0);
	assert_int_equal(runs(&under.stats), 20);
}

static void test_close_while_signalling(void **state)
{
	compare_all_policies("close-while-signalling");
	assert_int_equal(under.stats.passed_through, 0);
}

/*
 * close(), dup() and fork() in a handler meet no lock of the library, nor the C
 * library's malloc(), that the interrupted thread holds.
 */
static void run_handler(const char *scenario, const char *done)
{
	skip_with_sanitizer();
	for (int i = 0; i < 2; i++) {
		run_scenario(&under, scenario, i ? "first-run" : "lazy");
		assert_string_equal(under.out, done);
		assert_int_equal(under.status, 0);
	}
}

static void test_close_in_handler(void **state)
{
	run_handler("close-in-handler", "closed in the handler\n");
}

static void test_close_in_malloc(void **state)
{
	run_handler("close-in-malloc", "closed in the handler\n");
	run_handler("close-beside-stacks", "closed in the handler\n");
}

static void test_close_in_refused_fork(void **state)
{
	run_handler("close-in-refused-fork", "closed in the handler\n");
}

static void test_close_in_fork(void **state)
{
	run_handler("close-in-fork", "closed in the handler\n");
	run_handler("close-in-forkpty", "closed in the handler\n");
}

/*
 * A long jump out of close() or dup2() takes no number away, and one out of
 * close_range() does not keep the library from taking numbers.
 */
static void test_left_close(void **state)
{
	run_handler("left-close", "left open: 0\n");
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 0);
}

static void test_dup_in_handler(void **state)
{
	run_handler("dup-in-handler", "duplicated in the handler\n");
}

static void test_fork_in_handler(void **state)
{
	run_handler("fork-in-handler", "forked in the handler\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_vfork),
		cmocka_unit_test(test_raw_clone),
		cmocka_unit_test(test_pid_namespaces),
		cmocka_unit_test(test_kick_by_immediate_exit),
		cmocka_unit_test(test_kick_by_flag),
		cmocka_unit_test(test_kick_by_unseen_handler),
		cmocka_unit_test(test_no_kick_no_eintr),
		cmocka_unit_test(test_long_jump),
		cmocka_unit_test(test_many_jumps),
		cmocka_unit_test(test_jumps_out_of_exits),
		cmocka_unit_test(test_jumps_out_of_calls),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_kick_leaves_registers_consistent),
		cmocka_unit_test(test_close_while_signalling),
		cmocka_unit_test(test_close_in_handler),
		cmocka_unit_test(test_close_in_malloc),
		cmocka_unit_test(test_close_in_fork),
		cmocka_unit_test(test_close_in_refused_fork),
		cmocka_unit_test(test_left_close),
		cmocka_unit_test(test_dup_in_handler),
		cmocka_unit_test(test_fork_in_handler),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
