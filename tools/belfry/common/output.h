/* SPDX-License-Identifier: MIT */
/*
 * A file that a command writes.  The bytes go to a new file beside it, which
 * takes its place at the end, so a command that fails leaves the old one.  A
 * device or a pipe has no old content and is written at once.
 *
 * The folder may be one that other users write to: a symbolic link of another
 * user is not followed, and a file of another user is not replaced, except by
 * root.
 */
#ifndef BF_CLI_OUTPUT_H
#define BF_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output {
	FILE *file;	 /* NULL: none */
	char *name;	 /* for messages */
	char *path;	 /* of the file to replace; NULL: file is the target */
	char *temporary; /* the new file beside path */
};

/*
 * Begin to write; if name is NULL there is no file.  Returns CLI_OK, or
 * CLI_FAILURE after one line.
 */
int output_begin(struct output *output, const char *command, const char *name);

/* Do both replace the same file? */
bool output_is_same(const struct output *a, const struct output *b);

/* Put the new file in place.  Returns CLI_OK, or CLI_FAILURE after one line. */
int output_end(struct output *output, const char *command);

/* Leave the old file as it was. */
void output_cancel(struct output *output);

/* Another process ends the output. */
void output_leave(struct output *output);

#endif
