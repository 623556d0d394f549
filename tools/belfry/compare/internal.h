/* SPDX-License-Identifier: MIT */
/* Parts of belfry compare. */
#ifndef BF_CLI_COMPARE_INTERNAL_H
#define BF_CLI_COMPARE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "preload/record/stats.h"
#include "tools/belfry/common/samples.h"
#include "tools/belfry/run/run.h"

/* The likely cause of a stall. */
enum compare_cause {
	CAUSE_DOORBELL, /* behind a doorbell or a zone, perhaps among others */
	CAUSE_IRQCHIP,	/* behind irqchip or PIT alone, or in a call for them */
	CAUSE_OTHER,
	NR_CAUSES,
};

/* Samples of the runs with one policy; times are in ms. */
struct compare_runs {
	const char *policy;
	int status; /* exit status of the first run */
	/* Up to the first KVM_RUN; empty if no vCPU ran. */
	struct samples loading;	  /* exec and dynamic linker */
	struct samples first_run; /* from there on */
	struct samples unstalled; /* the same without stalls */
	/* The whole run. */
	struct samples stalled;
	struct samples stalled_by[NR_CAUSES];
	struct samples stalls; /* number of calls */
	struct samples total;
};

/*
 * Add the stalls of one run, which ended at end, to stalled_by.  Returns an
 * enum cli_status.
 */
int compare_add_causes(struct compare_runs *runs,
		       const struct run_recording *shared, uint64_t end);

/*
 * Print the result.  goal is the highest allowed ratio, belfry to plain, of the
 * time to the first KVM_RUN; 0: no goal.
 */
void compare_print(struct compare_runs *plain, struct compare_runs *belfry,
		   double goal, bool json, FILE *out);

void compare_runs_free(struct compare_runs *runs);

struct compare_mapping;

/* Mappings of the command's files; begins as zeroes. */
struct compare_files {
	struct compare_mapping *mappings;
	size_t count;
	const struct stats *stats;
	pthread_t thread; /* valid if started */
	bool started;
	_Atomic bool stop;
};

/*
 * Call these around a run that uses the counters.  A thread maps the files of
 * the first run that reaches KVM_RUN.
 */
void compare_files_begin(struct compare_files *files,
			 const struct stats *stats);
void compare_files_end(struct compare_files *files);

void compare_files_free(struct compare_files *files);

#endif
