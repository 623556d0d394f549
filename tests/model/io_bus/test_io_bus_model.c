// SPDX-License-Identifier: MIT
/*
 * Random operations on the bus against its model.
 *
 *	test_io_bus_model [RUNS [SEED]]	RUNS seeds, beginning with SEED
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stream.h"
#include "testing/random.h"

/* Bytes of a run; an operation takes about seven. */
#define SHORT_RUN (1 << 16)
#define LONG_RUN  (1 << 20)

static unsigned long runs = 1;
static uint64_t first_seed = 1;

static void run_seed(const struct stream_shape *shape, size_t size,
		     uint64_t seed, struct stream_totals *totals)
{
	uint64_t number = seed;
	uint8_t *bytes = malloc(size);
	const char *problem;

	random_bytes(&seed, bytes, size);
	problem = stream_run(shape, bytes, size, totals);
	free(bytes);
	if (problem)
		fail_msg("room %zu, seed %" PRIu64 ": %s", shape->room, number,
			 problem);
}

static void run_seeds(const struct stream_shape *shape, size_t size,
		      unsigned long count, struct stream_totals *totals)
{
	uint64_t seed = first_seed;

	for (; seed < first_seed + count; seed++)
		run_seed(shape, size, seed, totals);
	print_message("room %zu, seeds from %" PRIu64 ": %" PRIu64
		      " operations, %" PRIu64 " accesses, %" PRIu64
		      " in handlers\n",
		      shape->room, first_seed, totals->operations,
		      totals->accesses, totals->nested);
}

/* A run that never made one of these events would show nothing about it. */
static void assert_all_happened(const struct stream_totals *totals)
{
	assert_true(totals->signalled && totals->coalesced && totals->handled);
	assert_true(totals->missed && totals->refused && totals->committed);
	assert_true(totals->nested && totals->drained && totals->uncovered);
}

static void test_few_entries(void **state)
{
	const struct stream_shape shape = {.room = 24, .spread = 32};
	struct stream_totals totals = {.operations = 0};

	run_seeds(&shape, SHORT_RUN, runs, &totals);
	assert_all_happened(&totals);
}

static void test_some_entries(void **state)
{
	const struct stream_shape shape = {.room = 100, .spread = 256};
	struct stream_totals totals = {.operations = 0};

	run_seeds(&shape, SHORT_RUN, 1 + runs / 2, &totals);
	assert_all_happened(&totals);
}

static void test_many_entries(void **state)
{
	const struct stream_shape shape = {.room = 1000, .spread = 1024};
	struct stream_totals totals = {.operations = 0};

	run_seeds(&shape, LONG_RUN, 1 + runs / 128, &totals);
	assert_all_happened(&totals);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_entries),
		cmocka_unit_test(test_some_entries),
		cmocka_unit_test(test_many_entries),
	};

	if (argc > 1)
		runs = strtoul(argv[1], NULL, 0);
	if (argc > 2)
		first_seed = strtoull(argv[2], NULL, 0);
	return cmocka_run_group_tests_name("io_bus_model", tests, NULL, NULL);
}
