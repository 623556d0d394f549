/* SPDX-License-Identifier: MIT */
/*
 * The worker: one thread of the process that drives paced grace periods and
 * runs callbacks, for every domain that has any.  It waits for no single
 * domain, so a reader that sleeps in one does not hold up another.
 */
#ifndef BF_SRCU_WORKER_H
#define BF_SRCU_WORKER_H

#include "belfry/srcu.h"

/* Starts the thread if need be; false: there is none and none can be had. */
bool srcu_worker_start(void);

/*
 * How soon the worker shall look.  Woken by a normal callback alone it naps
 * for some microseconds before it does: who queues a callback often makes an
 * expedited request next, which then finds the worker neither asleep, to be
 * woken by an expensive system call, nor at the domain's lock.
 */
enum srcu_haste {
	SRCU_SOON, /* a normal request */
	SRCU_NEXT, /* before any nap, but not worth ending one */
	SRCU_NOW,
};

/* Makes the worker look at the domain: callbacks are ready, or wanted. */
void srcu_worker_kick(struct srcu_struct *ssp, enum srcu_haste haste);

/* The same, cheaper; under the domain's lock none is taken off the list. */
void srcu_worker_kick_locked(struct srcu_struct *ssp, enum srcu_haste haste);

/* Makes it look at the domains that it has. */
void srcu_worker_poke(enum srcu_haste haste);

/* Is the domain on the worker's list?  See worker_drop() for the order. */
bool srcu_worker_has(struct srcu_struct *ssp);

/* Returns when the worker has let go of the domain, which wants nothing. */
void srcu_worker_forget(struct srcu_struct *ssp);

/*
 * Everything that can be done now, for all domains; returns after how many
 * nanoseconds there will be more.
 */
uint64_t srcu_worker_round(void);

/* The child of a fork: no thread, no list.  Each domain is told apart. */
void srcu_worker_after_fork(void);
void srcu_worker_thread_after_fork(void);
void srcu_worker_unqueue(struct srcu_struct *ssp);

#endif
