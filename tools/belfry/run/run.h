/* SPDX-License-Identifier: MIT */
/*
 * belfry run, and the parts of it that other commands use.  A function that
 * fails has printed one line.
 */
#ifndef BF_CLI_RUN_H
#define BF_CLI_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "preload/record/recording.h"
#include "preload/record/stats.h"

/* belfry run; see cli_command_fn. */
int cmd_run(int argc, char **argv);

/*
 * Settings of the preload library, as text for its environment variables.  All
 * but the policy may be NULL, which leaves the variable alone.
 */
struct run_settings {
	const char *policy;	   /* BELFRY_POLICY */
	const char *install_after; /* BELFRY_INSTALL_AFTER */
	const char *quiet_ms;	   /* BELFRY_QUIET_MS */
	const char *zones;	   /* BELFRY_ZONES */
};

/* Options for an array of struct option, and their help text. */
/* clang-format off */
#define RUN_SETTINGS_OPTIONS                             \
	{"install-after", required_argument, NULL, 'i'}, \
	{"policy", required_argument, NULL, 'P'},        \
	{"quiet-ms", required_argument, NULL, 'q'},      \
	{"rings", optional_argument, NULL, 'r'},         \
	{"zones", required_argument, NULL, 'z'}
/* clang-format on */
extern const char run_settings_help[];

#define RUN_SETTINGS_DEFAULT     \
	{                        \
		.policy = "lazy" \
	}

/*
 * Take one of these options, or print the error of any other one.  c and optarg
 * are those of getopt_long().  Returns an enum cli_status.
 */
int run_set(struct run_settings *settings, const char *command, int c,
	    char **argv);

/*
 * Find the preload library: the one that BELFRY_PRELOAD names, or else that of
 * this build or of the installation.  Returns an enum cli_status.
 */
int run_find_library(char path[PATH_MAX]);

/* Print a line for a command of which no call was counted. */
void run_explain_no_calls(const char *command, const struct stats *stats,
			  FILE *out);

/*
 * Counters in memory shared with a program, which may be hostile: it may write
 * anything there at any time.  So only copies are used.
 */
struct run_counters {
	struct stats *stats;
	uint64_t started_ns; /* of the command */
	int fd;
	char path[64]; /* for BELFRY_STATS */
};

/* Create counters.  Returns an enum cli_status. */
int run_share_stats(struct run_counters *counters);
void run_unshare_stats(struct run_counters *counters);

/* Copy the counters once. */
void run_copy_stats(const struct run_counters *counters, struct stats *copy);

/*
 * Set the environment of the command: LD_PRELOAD, the counters and the
 * settings.  Returns an enum cli_status.
 */
int run_set_environment(const struct run_settings *settings,
			const char *library, const char *stats_path);

/* A recording in memory shared with a program; see trace_gather(). */
struct run_recording {
	struct recording *recording; /* NULL: none */
	uint32_t chunks;
	int fd;
};

/*
 * Create a recording with room for that many ordinary calls, and name it in the
 * environment.  Stalls have room of their own.  Returns an enum cli_status.
 */
int run_share_recording(struct run_recording *shared, unsigned long events);
void run_unshare_recording(struct run_recording *shared);

/*
 * The command has ended, but a process that it started may have a VM and go on.
 * Returns its number, with a descriptor of it, or 0.
 */
pid_t run_find_daemon(const struct stats *stats, int *pidfd);

/*
 * Fork a process that waits for that one.  Returns true in the new process,
 * once the other has ended, and false here.
 */
bool run_wait_for_daemon(int pidfd);

/* Become the command.  Returns the exit status of a failure. */
int run_exec(char **command);

/*
 * Ignore SIGPIPE and SIGXFSZ: a result that cannot be written must not end
 * belfry.  The command of run_child() inherits the former actions.
 */
void run_ignore_signals(void);

/*
 * Run the command to its end.  Returns its exit status, or 128 + N if signal N
 * ended it.  *started is false if the command was not found, which gives 127,
 * or cannot be executed, which gives 126.
 */
int run_child(char **command, struct run_counters *counters, bool *started);

#endif
