/* SPDX-License-Identifier: MIT */
/* How a torture is told what to do, runs its threads, and says how it went. */
#ifndef BF_CLI_TORTURE_CREW_H
#define BF_CLI_TORTURE_CREW_H

#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "torture_actor.h"

struct report;

/* Threads that begin and end together. */
struct crew {
	pthread_t threads[MAX_THREADS + 1];
	unsigned int count;
};

/* Starts count of them, each with its number from 0; 0 or an errno. */
int crew_add(struct crew *crew, void *(*main)(void *), unsigned long count);
void crew_join(struct crew *crew);

/* Shows progress until the time is up or something failed. */
void torture_wait(const char *command);

/* An option that takes a number. */
struct torture_number {
	int option;
	const char *name;
	unsigned long min, max;
	unsigned long *value;
};

struct torture_usage {
	const char *command;
	const char *help;
	const struct option *options; /* 'h', 'V', 'j' and the numbers' */
	const struct torture_number *numbers;
	size_t nr_numbers;
};

/* Reads the options: -1 to go on, or what to exit with. */
int torture_parse(const struct torture_usage *usage, int argc, char **argv,
		  bool *json);

/* A row for each tally. */
void torture_report(struct report *report, const char *const *names,
		    unsigned int count);

/* The failure, if there is one: what to exit with. */
int torture_verdict(const char *command);

#endif
