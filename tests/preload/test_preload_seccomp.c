/* SPDX-License-Identifier: MIT */
/* Programs whose seccomp filters forbid what belfry does. */
#include <stdlib.h>
#include <string.h>

#include "preload_fixture.h"

/* A vCPU's thread may not write: it would die of its first ring. */
static void test_seccomp(void **state)
{
	compare_all("seccomp");
	run(&under, "seccomp", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err,
			    "belfry: steps aside for a VM: a seccomp filter"
			    " forbids what it does\n");
}

/* One that forbids only what nobody here does is no reason to. */
static void test_seccomp_mild(void **state)
{
	compare_all("seccomp-mild");
	run(&under, "seccomp-mild", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.aside, 0);
	assert_int_equal(rings(&under.stats), 3);
}

/*
 * Whatever belfry calls, no VMM dies of it.  A sanitizer's runtime makes calls
 * of its own.
 */
static void compare_forbidden(const char *scenario)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	run(&alone, scenario, NULL);
	assert_true(strlen(alone.out) > 0);
	compare(scenario, "plain");
	compare(scenario, "lazy");
	assert_true(under.stats.aside > 0);
	assert_true(under.stats.aside < under.stats.vms);
	assert_true(rings(&under.stats) > 0);
	preload_rings = "";
	compare(scenario, "lazy");
	preload_rings = "16";
}

static void test_forbidden(void **state)
{
	compare_forbidden("forbidden");
}

static void test_forbidden_late(void **state)
{
	compare_forbidden("forbidden-late");
}

static void test_forbidden_vcpu(void **state)
{
	compare_forbidden("forbidden-vcpu");
}

static void test_refused_calls(void **state)
{
	compare_forbidden("refused-calls");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_seccomp_mild),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_forbidden_late),
		cmocka_unit_test(test_forbidden_vcpu),
		cmocka_unit_test(test_refused_calls),
	};

	if (!preload_has_kvm())
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
