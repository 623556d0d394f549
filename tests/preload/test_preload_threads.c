/* SPDX-License-Identifier: MIT */
/* Threads, kicks and children. */
#include "preload_fixture.h"

static void test_threads(void **state)
{
	compare_all("threads");
	assert_int_equal(under.stats.assigned, 201);
}

static void test_fork(void **state)
{
	compare_all("fork");
	/* The parent's and the child's own; not the inherited one's. */
	assert_int_equal(under.stats.assigned, 2);
	assert_int_equal(under.stats.vms, 2);
}

static void test_vfork(void **state)
{
	compare_all("vfork");
	assert_string_equal(under.err, "");
	assert_int_equal(under.stats.aside, 0);
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 1);
}

static void test_kick(void **state)
{
	run(&under, "kick", "first-run");
	assert_string_equal(under.out, "assign: 0\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "rung: 1\n");
	assert_int_equal(under.status, 0);
	assert_true(rings(&under.stats) > 0);
}

/* A kick that only sets a flag is looked for after each exit. */
static void test_kick_flag(void **state)
{
	compare_all("kick-flag");
	run(&under, "kick-flag", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(rings(&under.stats) > 0);
	assert_true(runs(&under.stats) >= rings(&under.stats));
}

/* Wherever the vCPU is stopped: what it has rung is what it has done. */
static void test_kick_regs(void **state)
{
	compare_all("kick-regs");
	run(&under, "kick-regs", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(rings(&under.stats) > 0);
	assert_int_equal(runs(&under.stats), 20);
}

static void test_closed_while_ringing(void **state)
{
	compare_all("closed-while-ringing");
	assert_int_equal(under.stats.aside, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_vfork),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_kick_flag),
		cmocka_unit_test(test_kick_regs),
		cmocka_unit_test(test_closed_while_ringing),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
