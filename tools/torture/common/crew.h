/* SPDX-License-Identifier: MIT */
/* How a torture runs its threads, and says how it went. */
#ifndef BF_CLI_TORTURE_CREW_H
#define BF_CLI_TORTURE_CREW_H

#include <pthread.h>

#include "actor.h"

struct report;

/* Threads that begin and end together. */
struct crew {
	pthread_t threads[MAX_THREADS + MAX_OTHERS];
	unsigned int count;
};

/* Starts count of them, each with its number from 0; 0 or an errno. */
int crew_add(struct crew *crew, void *(*main)(void *), unsigned long count);
void crew_join(struct crew *crew);

/* Shows progress until the time is up or something failed. */
void torture_wait(const char *command);

/* A row for each tally. */
void torture_report(struct report *report, const char *const *names,
		    unsigned int count);

/* The failure, if there is one: what to exit with. */
int torture_verdict(const char *command);

#endif
