// SPDX-License-Identifier: MIT
/* Random operations against the model; some allocations fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "bus_oom_fixture.h"
#include "tests/model/io_bus/stream.h"
#include "testing/random.h"

/*
 * An operation that fails changes nothing, and an entry that was removed
 * without memory stays removed.
 */
static void test_random_operations(void **state)
{
	const struct stream_shape shape = {
		.room = 64,
		.spread = 48,
		.fail_at = alloc_fail_at,
	};
	struct stream_totals totals = {.operations = 0};
	static uint8_t bytes[1 << 16];
	long live = alloc_live();
	const char *problem;

	for (uint64_t seed = 1; seed <= 16; seed++) {
		uint64_t random = seed;

		random_bytes(&random, bytes, sizeof(bytes));
		problem = stream_run(&shape, bytes, sizeof(bytes), &totals);
		if (problem)
			fail_msg("seed %u: %s", (unsigned int)seed, problem);
		assert_int_equal(alloc_live(), live);
	}
	assert_true(totals.failed > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OOM_TEST(test_random_operations),
	};

	return cmocka_run_group_tests_name("io_bus_oom_random", tests, NULL,
					   NULL);
}
