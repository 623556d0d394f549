/* SPDX-License-Identifier: MIT */
/*
 * What all tortures have in common: when to stop, the first failure, and for
 * each thread random numbers and tallies of its own.
 */
#ifndef BF_CLI_TORTURE_ACTOR_H
#define BF_CLI_TORTURE_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_TALLIES 24
#define MAX_THREADS 64 /* of each kind */

struct torture {
	unsigned long seconds, seed;
	bool stop;
	unsigned long tallies[MAX_TALLIES];
	bool failing;
	char failure[200]; /* the first one */
};

extern struct torture torture;

/* A thread of the torture. */
struct actor {
	uint64_t random;
	unsigned int number;
	unsigned long tallies[MAX_TALLIES];
};

/* A number below n that only the seed and the actor's history decide. */
unsigned int actor_random(struct actor *actor, unsigned int n);
/* Kind and number together are the actor's alone. */
void actor_init(struct actor *actor, unsigned int kind, unsigned int number);
/* Adds its tallies to the torture's. */
void actor_done(struct actor *actor);

bool torture_stopped(void);
void torture_stop(void);
/* Keeps the first failure and stops everybody. */
void torture_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
