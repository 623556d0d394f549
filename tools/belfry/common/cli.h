/* SPDX-License-Identifier: MIT */
/* Exit statuses, messages and options of all commands of the tool. */
#ifndef BF_CLI_CLI_H
#define BF_CLI_CLI_H

#include <getopt.h>
#include <stdio.h>

/* Exit statuses of every command. */
enum cli_status {
	CLI_OK = 0,
	CLI_FAILURE = 1,
	CLI_USAGE = 2,
	CLI_SKIPPED = 77, /* this machine lacks something that it needs */
};

/*
 * A command.  argv[0] is its name, and the rest are its options, for
 * cli_next_option().  Returns an enum cli_status, except that belfry run
 * returns the status of its child.
 */
typedef int (*cli_command_fn)(int argc, char **argv);

/*
 * Print one line on stderr, "belfry COMMAND: what: why; what to do".
 * cli_fail() returns CLI_FAILURE, and cli_usage() returns CLI_USAGE.  A NULL
 * command stands for the tool itself.
 */
int cli_fail(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int cli_usage(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Print one line.  Control characters in it, which may come from a name, become
 * question marks.
 */
void cli_line(FILE *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * getopt_long(), which prints nothing itself: letters must begin with a colon,
 * or with "+:".
 */
int cli_next_option(int argc, char **argv, const char *letters,
		    const struct option *options);

/*
 * Print the error that cli_next_option() found, as cli_usage() does: an unknown
 * option, or a missing or needless argument.  c is its return value.
 */
int cli_bad_option(const char *command, int c, char **argv);

/* fwrite() of a text of any length, for cli_end_output() to say what failed. */
void cli_write(const char *text, size_t size, FILE *out);

/*
 * Flush a file.  Returns CLI_OK, or prints a line and returns CLI_FAILURE if
 * any write to the file failed.
 */
int cli_end_output(const char *command, FILE *out, const char *name);

/* Flush and close a file.  The close may be the call that meets a full disk. */
int cli_close_output(const char *command, FILE *out, const char *name);

/* Print the answer to --version.  Returns CLI_OK. */
int cli_print_version(void);

/* Read a decimal number in [min, max].  Returns 0, -EINVAL or -ERANGE. */
int cli_parse_count(const char *text, unsigned long min, unsigned long max,
		    unsigned long *value);

/*
 * Tell why /dev/kvm cannot be used and what to do about it: a line without its
 * end, or NULL if KVM works.  The text is valid until the next call.
 */
const char *cli_kvm_problem(void);

#endif
