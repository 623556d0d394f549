/* SPDX-License-Identifier: MIT */
/* Doorbells of two busy VMs beside every change; see testvmm_load.c. */
#include <stdio.h>
#include <stdlib.h>

#include "preload_fixture.h"

static void run_load(const char *policy)
{
	setenv("TESTVMM_SECONDS", "9", 0);
	run_scenario(&under, "load", policy);
	if (under.status)
		print_error("%s: %s\n", policy, under.err);
	assert_string_equal(under.out,
			    "nothing lost, doubled, late or leaked\n");
	assert_int_equal(under.status, 0);
	assert_true(signals(&under.stats) > 1000);
	assert_true(under.stats.assigned > 10);
}

static void test_doorbells_that_move(void **state)
{
	run_load("lazy");
	assert_true(under.stats.installed > 0);
}

static void test_doorbells_that_stay(void **state)
{
	run_load("never");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doorbells_that_move),
		cmocka_unit_test(test_doorbells_that_stay),
	};

	if (!preload_has_kvm())
		return 77;
	if (!*getenv("TEST_LIBRARY")) {
		fputs("skipped: a sanitizer ends where memory is short\n",
		      stderr);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
