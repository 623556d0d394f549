/* SPDX-License-Identifier: MIT */
/* What the commands of the tool share. */
#ifndef BF_CLI_CLI_H
#define BF_CLI_CLI_H

#include <stdio.h>

/* Exit statuses of every command. */
enum cli_status {
	CLI_OK = 0,
	CLI_FAILURE = 1,
	CLI_USAGE = 2,
	CLI_SKIPPED = 77, /* what it needs is not on this machine */
};

/*
 * A command: argv[0] is its name, the rest its own options, parsed with
 * getopt_long().  Returns an enum cli_status; belfry run returns its child's.
 */
typedef int (*cli_command_fn)(int argc, char **argv);

int cmd_bench(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_doorbell(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_stall(int argc, char **argv);
int cmd_torture(int argc, char **argv);

/*
 * One line on stderr, "belfry COMMAND: what: why; what to do", and the status
 * that goes with it.
 */
int cli_fail(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int cli_usage(const char *command, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * What getopt_long() found wrong, as one usage line: unknown option, missing
 * or needless argument.  Call with opterr = 0 and its return value.
 */
int cli_bad_option(const char *command, int c, char **argv);

/*
 * Ends the output to a file: CLI_OK, or CLI_FAILURE where any of it could not
 * be written, which has been said.
 */
int cli_end_output(const char *command, FILE *out, const char *name);

/*
 * The same for a file that is then closed, which may be what finds its disk
 * full.
 */
int cli_close_output(const char *command, FILE *out, const char *name);

/* What --version prints; CLI_OK. */
int cli_print_version(void);

/* A decimal count in [min, max]: 0 and *value, or -EINVAL, -ERANGE. */
int cli_parse_count(const char *text, unsigned long min, unsigned long max,
		    unsigned long *value);

/*
 * Why the KVM device cannot be used, as one line without an end, and what to
 * do about it; NULL when it can.
 */
const char *cli_kvm_problem(void);

#endif
