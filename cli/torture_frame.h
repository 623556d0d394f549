/* SPDX-License-Identifier: MIT */
/* What every torture has: options, threads, and the time that it runs. */
#ifndef BF_CLI_TORTURE_FRAME_H
#define BF_CLI_TORTURE_FRAME_H

#include <pthread.h>
#include <stdbool.h>

#include "torture_srcu.h"

struct crew {
	pthread_t threads[MAX_THREADS + 1];
	unsigned int count;
};

/* Starts count threads, numbered from 0; 0 or an errno. */
int crew_add(struct crew *crew, void *(*main)(void *), unsigned long count);
void crew_join(struct crew *crew);

/* Returns when the time is up or somebody has failed. */
void torture_wait(const char *command);

/*
 * --seconds, --readers, --writers and --seed into torture, --json; a status,
 * or -1: go on.
 */
int torture_options(const char *command, int (*print_help)(void), int argc,
		    char **argv, bool *json);

#endif
