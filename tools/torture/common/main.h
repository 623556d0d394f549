/* SPDX-License-Identifier: MIT */
/* The options of a torture, and its watchdog. */
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

#define MAX_NUMBERS 8 /* the common ones included */

struct torture_layer {
	const char *command;		      /* "torture LAYER" */
	const char *about;		      /* the head of the help */
	const struct torture_number *numbers; /* of this layer alone */
	size_t nr_numbers;
	const char *const *thread_kinds; /* a name for each kind */
	void (*print_stats)(void);	 /* for the watchdog; or NULL */
	int (*run)(bool json);		 /* returns an enum cli_status */
};

/*
 * Parses the options and runs the torture under the watchdog.  Returns an enum
 * cli_status.
 */
int torture_main(int argc, char **argv, const struct torture_layer *layer);

#endif
