/* SPDX-License-Identifier: MIT */
/*
 * The state of a torture: when to stop, the first failure, and for each thread
 * random numbers, tallies and a status.
 */
#ifndef BF_CLI_TORTURE_THREAD_H
#define BF_CLI_TORTURE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_TALLIES 24
#define MAX_THREADS 64 /* of each of the two large kinds */
#define MAX_OTHERS  16 /* of all other kinds together */

struct torture {
	unsigned long seconds, seed, watchdog;
	bool stop;
	unsigned long tallies[MAX_TALLIES];
	bool failing;
	char failure[200]; /* the first one */
};

extern struct torture torture;

/*
 * The current operation of a thread, for the watchdog.  No lock protects it,
 * because a thread may hang on that lock.
 */
struct thread_status {
	bool taken;
	unsigned int kind;
	unsigned int number;
	const char *doing; /* NULL: no operation that must end */
	const char *where; /* or NULL */
	unsigned long steps;
};

#define NR_STATUSES (2 * MAX_THREADS + MAX_OTHERS)

extern struct thread_status statuses[NR_STATUSES];

struct torture_thread {
	uint64_t random;
	unsigned int number;
	struct thread_status *status;
	unsigned long tallies[MAX_TALLIES];
};

/* Returns a number below n.  The sequence depends on seed, kind and number. */
unsigned int thread_random(struct torture_thread *self, unsigned int n);
uint64_t thread_random_bits(struct torture_thread *self);
/* No other thread has the same kind and number. */
void thread_init(struct torture_thread *self, unsigned int kind,
		 unsigned int number);
/* Sets the operation that begins now, and the object, or NULL. */
void thread_does(struct torture_thread *self, const char *what,
		 const char *where);
void thread_rests(struct torture_thread *self);
/* Adds the thread's tallies to those of the torture. */
void thread_done(struct torture_thread *self);

bool torture_stopped(void);
void torture_stop(void);
/* Keeps the first failure and stops all threads. */
void torture_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
