/* SPDX-License-Identifier: MIT */
/* A torture's threads, and its report. */
#ifndef BF_CLI_TORTURE_CREW_H
#define BF_CLI_TORTURE_CREW_H

#include <pthread.h>

#include "thread.h"

struct report;

/* Threads that begin and end together. */
struct thread_group {
	pthread_t threads[MAX_THREADS + MAX_OTHERS];
	unsigned int count;
};

/* Starts count threads, with arguments from 0 on.  Returns 0 or an errno. */
int thread_group_add(struct thread_group *group, void *(*main)(void *),
		     unsigned long count);
void thread_group_join(struct thread_group *group);

/* Shows progress until the time is up or a thread fails. */
void torture_wait(const char *command);

/* Adds a row for each tally. */
void torture_report(struct report *report, const char *const *names,
		    unsigned int count);

/* Prints the failure, if there is one.  Returns an enum cli_status. */
int torture_verdict(const char *command);

#endif
