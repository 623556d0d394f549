/* SPDX-License-Identifier: MIT */
/*
 * What all tortures have in common: when to stop, the first failure, and for
 * each thread random numbers, tallies and a post of its own.
 */
#ifndef BF_CLI_TORTURE_ACTOR_H
#define BF_CLI_TORTURE_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_TALLIES 24
#define MAX_THREADS 64 /* of each kind */
#define MAX_OTHERS  16 /* all that are not of the two large kinds */

struct torture {
	unsigned long seconds, seed, watchdog;
	bool stop;
	unsigned long tallies[MAX_TALLIES];
	bool failing;
	char failure[200]; /* the first one */
};

extern struct torture torture;

/*
 * Where an actor says what it does, for the watchdog: no lock, since that may
 * be what it hangs on.
 */
struct post {
	bool taken;
	unsigned int kind;
	unsigned int number;
	const char *doing; /* NULL: nothing that must end */
	const char *where; /* or NULL */
	unsigned long steps;
};

#define NR_POSTS (2 * MAX_THREADS + MAX_OTHERS)

extern struct post posts[NR_POSTS];

/* A thread of the torture. */
struct actor {
	uint64_t random;
	unsigned int number;
	struct post *post;
	unsigned long tallies[MAX_TALLIES];
};

/* A number below n that only the seed and the actor's history decide. */
unsigned int actor_random(struct actor *actor, unsigned int n);
uint64_t actor_random_bits(struct actor *actor);
/* Kind and number together are the actor's alone. */
void actor_init(struct actor *actor, unsigned int kind, unsigned int number);
/* What it does from now on, and, where there are several, with what. */
void actor_does(struct actor *actor, const char *what, const char *where);
void actor_rests(struct actor *actor);
/* Adds its tallies to the torture's, and leaves its post. */
void actor_done(struct actor *actor);

bool torture_stopped(void);
void torture_stop(void);
/* Keeps the first failure and stops everybody. */
void torture_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
