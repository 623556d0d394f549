/* SPDX-License-Identifier: MIT */
/*
 * A task in a child process without rights, for input that may be an attack.
 * The child can read one descriptor, write its output and one line of error,
 * get memory up to a limit, and end.  Any other system call kills it.
 */
#ifndef BF_CLI_CONFINE_H
#define BF_CLI_CONFINE_H

#include <stddef.h>
#include <stdio.h>

struct confined_task {
	const char *command; /* for messages, as of cli_fail() */
	const char *subject; /* of messages: the input */
	int input;	     /* a descriptor to read, or -1 */
	size_t most;	     /* bytes of output */

	/*
	 * In the child.  Memory and descriptors are those of the caller. Writes
	 * the output to out, or calls cli_fail() and returns a status.
	 */
	int (*run)(void *arg, FILE *out);

	/*
	 * In the caller, for each part of the output, which may be anything if
	 * the input has taken over the child.  No part cuts a character.
	 */
	void (*take)(void *arg, char *text, size_t size);
	void *arg;
};

/*
 * Returns CLI_OK, or CLI_FAILURE after one line on stderr.  A task that failed
 * may have given a part of its output.
 */
int confine(const struct confined_task *task);

#endif
