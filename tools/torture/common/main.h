/* SPDX-License-Identifier: MIT */
/* How a torture is told what to do: the options, and what it is watched by. */
#ifndef BF_CLI_TORTURE_MAIN_H
#define BF_CLI_TORTURE_MAIN_H

#include <stdbool.h>
#include <stddef.h>

/* An option that takes a number. */
struct torture_number {
	const char *name;
	const char *argument; /* a letter, for the help */
	const char *what;
	unsigned long min, max, initial;
	unsigned long *value;
};

#define MAX_NUMBERS 8 /* those that all tortures have among them */

struct torture_layer {
	const char *command;		      /* "torture LAYER" */
	const char *about;		      /* what the help begins with */
	const struct torture_number *numbers; /* that only this one has */
	size_t nr_numbers;
	const char *const *actors; /* a name for each kind */
	void (*print_stats)(void); /* by the watchdog; or NULL */
	int (*run)(bool json);	   /* returns an enum cli_status */
};

/* Reads the options and runs it, watched; an enum cli_status. */
int torture_main(int argc, char **argv, const struct torture_layer *layer);

#endif
