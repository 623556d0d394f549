/* SPDX-License-Identifier: MIT */
/* The parts of belfry run. */
#ifndef BF_CLI_RUN_H
#define BF_CLI_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "preload/stats.h"

struct run_options {
	const char *policy;   /* as BELFRY_POLICY takes it */
	const char *rings;    /* NULL, or as BELFRY_RINGS does */
	const char *quiet_ms; /* and BELFRY_QUIET_MS */
	const char *zones;    /* and BELFRY_ZONES */
	const char *output;   /* NULL: stderr */
	bool json;
	char **command;
};

/*
 * The preload library's path: the one that BELFRY_PRELOAD names, or that of
 * this build or of the installation.  0 or CLI_FAILURE, said.
 */
int run_find_library(char path[PATH_MAX]);

/*
 * Where the policy needs to know what the kernel charges, it is measured here
 * and not in the command.
 */
void run_calibrate(const struct run_options *options);

/* Says so in one line where the library cannot get under the command. */
void run_check_command(const char *command);

/* Shared counters; *path is what BELFRY_STATS takes.  NULL: said. */
struct stats *run_share_stats(char *path, size_t size);

/* Puts the library and what it is to know in the environment.  0 or said. */
int run_set_environment(const struct run_options *options, const char *library,
			const char *stats_path);

/*
 * Runs the command to its end and returns its exit status, 128 + N after
 * signal N, 127 where there is no such command, 126 where it cannot run; in
 * these two cases *started is false.
 */
int run_child(char **command, struct stats *stats, bool *started);

void run_report(struct stats *stats, const struct run_options *options,
		FILE *out);

#endif
