/* SPDX-License-Identifier: MIT */
/* What belfry compare measures, and how it is shown. */
#ifndef BF_CLI_COMPARE_H
#define BF_CLI_COMPARE_H

#include <stdbool.h>
#include <stdio.h>

#include "samples.h"

/* The runs of one way: plain, or with belfry. */
struct compare_way {
	const char *policy;
	int status;		  /* of its first run */
	struct samples first_run; /* ms; none where no vCPU ran */
	struct samples stalled;	  /* ms */
	struct samples stalls;	  /* calls */
	struct samples total;	  /* ms */
};

/* goal: of the start to the first KVM_RUN, times plain's; 0: none. */
void compare_print(struct compare_way *plain, struct compare_way *belfry,
		   double goal, bool json, FILE *out);

void compare_free(struct compare_way *way);

#endif
