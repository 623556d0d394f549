// SPDX-License-Identifier: MIT
/*
 * The vCPU table against its model, by random calls that a seed repeats.  The
 * argument is the number of calls of a run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "belfry/vcpus.h"
#include "testing/random.h"
#include "vcpus_model.h"

static uint64_t random_state;
static unsigned int steps = VCPUS_MODEL_STEPS;

static uint64_t next(void)
{
	return random_next(&random_state);
}

static void run(uint64_t seed, unsigned int flags)
{
	const char *problem;

	random_state = seed;
	vcpus_model_begin(next, flags);
	for (unsigned int i = 0; i < steps; i++)
		vcpus_model_step(i);
	problem = vcpus_model_end();
	if (problem)
		fail_msg("seed %llu, flags %u: %s", (unsigned long long)seed,
			 flags, problem);
}

static void test_unique_indices(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(seed, 0);
}

static void test_reused_indices(void **state)
{
	for (uint64_t seed = 11; seed <= 14; seed++)
		run(seed, BF_VCPUS_REUSE_INDEX);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unique_indices),
		cmocka_unit_test(test_reused_indices),
	};

	if (argc > 1)
		steps = (unsigned int)strtoul(argv[1], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
