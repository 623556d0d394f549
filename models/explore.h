/* SPDX-License-Identifier: MIT */
/* Explores every interleaving of a small program on the machine. */
#ifndef BF_MODELS_EXPLORE_H
#define BF_MODELS_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>

#include "machine.h"

struct explore_result {
	const char *failure;  /* NULL: there is none */
	unsigned long states; /* different states that were reached */
	unsigned long runs;   /* runs from the beginning */
};

/*
 * Explores each reachable state once.  A failure is a failed check or a
 * deadlock; its run is printed to stdout.  The process exits if memory runs
 * out.
 */
struct explore_result explore(const struct machine_program *program,
			      enum machine_memory memory);

/* The memory of the scenarios: MACHINE_PSO, or with --views MACHINE_VIEWS. */
extern enum machine_memory explore_memory;

struct explore_model {
	/* Selects the nth scenario; returns its name, NULL after the last. */
	const char *(*select)(size_t n);
	struct explore_result (*explore)(void);
};

/*
 * Explores the scenarios up to the first that fails, and prints a line for
 * each; with --only=NAME, those with names that begin so.  Returns 0 if all
 * pass, or, with --expect-failure, if one fails.
 */
int explore_main(int argc, char **argv, const struct explore_model *model);

#endif
