// SPDX-License-Identifier: MIT
/* The vCPU table against its model (tests/model/vcpus/). */
#include <stdio.h>
#include <stdlib.h>

#include "belfry/vcpus.h"
#include "fuzz.h"
#include "tests/model/vcpus/vcpus_model.h"

static const uint8_t *input, *input_end;

static uint64_t next(void)
{
	uint64_t number = 0;

	for (int i = 0; i < 2 && input < input_end; i++)
		number = number << 8 | *input++;
	return number;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *problem;

	input = data;
	input_end = data + size;
	vcpus_model_begin(next, next() & 1 ? BF_VCPUS_REUSE_INDEX : 0);
	for (unsigned int i = 0; input < input_end && i < VCPUS_MODEL_STEPS;
	     i++)
		vcpus_model_step(i);
	problem = vcpus_model_end();
	if (!problem)
		return 0;
	fprintf(stderr, "fuzz_vcpus: %s\n", problem);
	abort();
}
