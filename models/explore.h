/* SPDX-License-Identifier: MIT */
/* Every interleaving of a small program on the machine. */
#ifndef BF_MODELS_EXPLORE_H
#define BF_MODELS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

#include "machine.h"

struct explore_result {
	const char *failure;  /* NULL: there is none */
	unsigned long states; /* different ones that were seen */
	unsigned long runs;   /* from the beginning */
};

/*
 * Goes through all that can happen, each state once.  A failure is a failed
 * check, or a state from which nobody can go on; how it came about is printed
 * to stdout.  Out of memory ends the process.
 */
struct explore_result explore(const struct machine_program *program,
			      enum machine_memory memory);

struct explore_model {
	/* Makes the nth scenario the one to explore; its name, or NULL. */
	const char *(*select)(size_t n);
	struct explore_result (*explore)(void);
};

/*
 * Explores the scenarios up to the first that fails, and prints what it was.
 * Returns 0 if all are right, or, with --expect-failure, if one is not.
 */
int explore_main(int argc, char **argv, const struct explore_model *model);

#endif
