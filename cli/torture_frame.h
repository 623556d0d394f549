/* SPDX-License-Identifier: MIT */
/* What every torture has: options, threads, random numbers, an end. */
#ifndef BF_CLI_TORTURE_FRAME_H
#define BF_CLI_TORTURE_FRAME_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define MAX_THREADS 64 /* of each kind */

struct torture {
	unsigned long seconds, nr_readers, nr_writers, seed;
	bool stop;
	bool failing;
	char failure[200]; /* the first one */
};

extern struct torture torture;

/* Takes the options, and calls run(); an enum cli_status. */
int torture_main(const char *command, const char *help, int (*run)(bool json),
		 int argc, char **argv);

/* The status of a torture that is over, said in one line if it failed. */
int torture_verdict(const char *command);

bool torture_stopped(void);
void torture_stop(void);
/* Keeps the first failure and stops everybody. */
void torture_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Sleeps until the torture's time is over, or somebody stopped it. */
void torture_wait(const char *command);

/* Where the random numbers of a thread begin: only the seed decides. */
uint64_t torture_random_init(unsigned int kind, unsigned int number);
uint64_t torture_random_bits(uint64_t *state);
/* Below n. */
unsigned int torture_random(uint64_t *state, unsigned int n);

struct crew {
	pthread_t threads[MAX_THREADS + 1];
	unsigned int count;
};

/* Threads of main(number), from 0: 0 or an errno. */
int crew_add(struct crew *crew, void *(*main)(void *number),
	     unsigned long count);
void crew_join(struct crew *crew);

#endif
