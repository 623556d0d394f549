// SPDX-License-Identifier: MIT
/* The main program of a model. */
#include <stdio.h>
#include <string.h>

#include "explore.h"

static bool explore_all(const struct explore_model *model)
{
	struct explore_result result;
	const char *name;

	for (size_t n = 0; (name = model->select(n)); n++) {
		result = model->explore();
		printf("%lu states, %lu runs: %s: %s\n", result.states,
		       result.runs, name,
		       result.failure ? result.failure : "right");
		fflush(stdout);
		if (result.failure)
			return false;
	}
	return true;
}

/* PSO includes all that TSO allows. */
enum machine_memory explore_memory = MACHINE_PSO;

int explore_main(int argc, char **argv, const struct explore_model *model)
{
	bool expect_failure = false;

	while (--argc) {
		if (!strcmp(argv[argc], "--expect-failure"))
			expect_failure = true;
		if (!strcmp(argv[argc], "--views"))
			explore_memory = MACHINE_VIEWS;
	}
	return explore_all(model) == expect_failure;
}
