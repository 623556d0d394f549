// SPDX-License-Identifier: MIT
/*
 * The operation stream of the bus as a fuzz target.  The first byte of an input
 * chooses the shape of the run.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tests/model/io_bus/stream.h"
#include "base/util.h"

static const struct stream_shape shapes[] = {
	{.room = 24, .spread = 16},
	{.room = 24, .spread = 64},
	{.room = 96, .spread = 256},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream_totals totals = {.operations = 0};
	const char *problem;

	if (!size)
		return 0;
	problem = stream_run(&shapes[data[0] % ARRAY_SIZE(shapes)], data + 1,
			     size - 1, &totals);
	if (!problem)
		return 0;
	fprintf(stderr, "fuzz_io_bus: %s\n", problem);
	abort();
}
