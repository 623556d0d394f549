/* SPDX-License-Identifier: MIT */
/* What belfry compare measures, and how it is shown. */
#ifndef BF_CLI_COMPARE_H
#define BF_CLI_COMPARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "preload/record/recording.h"
#include "preload/record/stats.h"
#include "tools/belfry/common/samples.h"

/* What a stalled call waited for. */
enum compare_cause {
	CAUSE_DOORBELL, /* or zone; alone or with others */
	CAUSE_IRQCHIP,	/* or timer; behind it, or in the making of it */
	CAUSE_OTHER,
	NR_CAUSES,
};

/* The runs of one way: plain, or with belfry; all times are in ms. */
struct compare_way {
	const char *policy;
	int status;			  /* of its first run */
	struct samples loading;		  /* none where no vCPU ran */
	struct samples first_run;	  /* the same */
	struct samples unstalled;	  /* what is left of that */
	struct samples stalled;		  /* in all */
	struct samples behind[NR_CAUSES]; /* by cause */
	struct samples stalls;		  /* calls */
	struct samples total;
};

/* Takes the stalls of one run that has ended, at @end, by cause. */
void compare_take_causes(struct compare_way *way, struct recording *recording,
			 uint64_t end);

/* goal: of the start to the first KVM_RUN, times plain's; 0: none. */
void compare_print(struct compare_way *plain, struct compare_way *belfry,
		   double goal, bool json, FILE *out);

void compare_free(struct compare_way *way);

struct compare_kept;

/* The command's files; zeroed at first. */
struct compare_files {
	struct compare_kept *kept;
	size_t count;
	const struct stats *stats;
	pthread_t thread; /* if it waits */
	bool waits;
	_Atomic bool stop;
};

/*
 * Around a run that shares these counters: takes note of its files, if there
 * are none yet, and keeps them in memory.
 */
void compare_files_begin(struct compare_files *files,
			 const struct stats *stats);
void compare_files_end(struct compare_files *files);

void compare_files_free(struct compare_files *files);

#endif
