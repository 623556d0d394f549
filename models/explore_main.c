// SPDX-License-Identifier: MIT
/* The main program of a model. */
#include <stdio.h>
#include <string.h>

#include "explore.h"

/* A scenario with a name that does not begin so is left out. */
static const char *only = "";

static bool explore_all(const struct explore_model *model)
{
	struct explore_result result;
	const char *name;

	for (size_t n = 0; (name = model->select(n)); n++) {
		if (strncmp(name, only, strlen(only)))
			continue;
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
		if (!strncmp(argv[argc], "--only=", 7))
			only = argv[argc] + 7;
	}
	return explore_all(model) == expect_failure;
}
