/* SPDX-License-Identifier: MIT */
/* The parts of belfry run. */
#ifndef BF_CLI_RUN_H
#define BF_CLI_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#include "preload/record/recording.h"
#include "preload/record/stats.h"

/* What the library is told; all but the policy may be NULL, its default. */
struct run_settings {
	const char *policy;   /* as BELFRY_POLICY takes it */
	const char *rings;    /* as BELFRY_RINGS does */
	const char *quiet_ms; /* and BELFRY_QUIET_MS */
	const char *zones;    /* and BELFRY_ZONES */
};

/* The options that say it, for an array of struct option; their help. */
/* clang-format off */
#define RUN_SETTINGS_OPTIONS                          \
	{"policy", required_argument, NULL, 'P'},     \
	{"quiet-ms", required_argument, NULL, 'q'},   \
	{"rings", required_argument, NULL, 'r'},      \
	{"zones", required_argument, NULL, 'z'}
/* clang-format on */
extern const char run_settings_help[];

#define RUN_SETTINGS_DEFAULT     \
	{                        \
		.policy = "lazy" \
	}

/* One of these letters, with optarg: 0 or said; others are bad options. */
int run_set(struct run_settings *settings, const char *command, int c,
	    char **argv);

struct run_options {
	struct run_settings settings;
	const char *output;   /* NULL: stderr */
	const char *trace;    /* NULL: none */
	const char *report;   /* NULL: none */
	unsigned long events; /* there is room for, of ordinary calls */
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
void run_calibrate(const struct run_settings *settings);

/* Says so in one line where the library cannot get under the command. */
void run_check_command(const char *command);

/* Counters that a program shares with us. */
struct run_counters {
	struct stats *stats;
	int fd;
	char path[64]; /* what BELFRY_STATS takes */
};

/* New ones.  0 or said. */
int run_share_stats(struct run_counters *counters);
void run_unshare_stats(struct run_counters *counters);

/* Puts the library and what it is to know in the environment.  0 or said. */
int run_set_environment(const struct run_settings *settings,
			const char *library, const char *stats_path);

/* Memory in which a program records. */
struct run_recording {
	struct recording *recording; /* NULL: there is none */
	int fd;
};

/*
 * With room for so many ordinary calls; stalls have theirs.  Tells the
 * environment.  0 or said.
 */
int run_share_recording(struct run_recording *shared, unsigned long events);
void run_unshare_recording(struct run_recording *shared);

/* The files of --trace and --report, and what goes there. */
struct run_record {
	struct run_recording shared; /* none: neither is asked for */
	FILE *trace;
	FILE *report;
};

/* Opens them, and tells the environment.  0 or said. */
int run_record_begin(struct run_record *record,
		     const struct run_options *options);

/* Writes them, unless @stats is NULL: nothing ran.  0 or said. */
int run_record_end(struct run_record *record, struct stats *stats,
		   const struct run_options *options, int status);

/*
 * Runs the command to its end and returns its exit status, 128 + N after
 * signal N, 127 where there is no such command, 126 where it cannot run; in
 * these two cases *started is false.
 */
int run_child(char **command, struct stats *stats, bool *started);

void run_report(struct stats *stats, const struct run_options *options,
		FILE *out);

#endif
