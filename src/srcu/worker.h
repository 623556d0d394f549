/* SPDX-License-Identifier: MIT */
/*
 * The worker: one thread of the process that drives paced grace periods and
 * runs callbacks, for every domain that has any.  It never waits for one
 * domain, so a reader that sleeps in one domain does not hold up another.
 */
#ifndef BF_SRCU_WORKER_H
#define BF_SRCU_WORKER_H

#include "belfry/srcu.h"

/* Starts the thread if there is none.  Returns false if none can be started. */
bool bf_srcu_worker_start(void);

/*
 * How soon the worker has to look.  After a normal callback woke it, the worker
 * naps for some microseconds first: a thread that queues a callback often makes
 * an expedited request next.  That thread then neither has to wake the worker
 * with an expensive system call, nor finds it holding the domain's lock.
 */
enum srcu_haste {
	SRCU_SOON, /* a normal request */
	SRCU_NEXT, /* before the next nap; does not end a nap */
	SRCU_NOW,
};

/* Makes the worker visit the domain: callbacks are ready, or requested. */
void bf_srcu_worker_kick(struct bf_srcu *ssp, enum srcu_haste haste);

/*
 * The same, cheaper.  The caller holds the domain's lock, so the worker cannot
 * take the domain off its list.
 */
void bf_srcu_worker_kick_locked(struct bf_srcu *ssp, enum srcu_haste haste);

/* Makes the worker visit the domains on its list. */
void bf_srcu_worker_poke(enum srcu_haste haste);

/* Is the domain on the worker's list?  See worker_drop() for the order. */
bool bf_srcu_worker_has(struct bf_srcu *ssp);

/* Waits until the worker has let go of the domain, which needs nothing. */
void bf_srcu_worker_forget(struct bf_srcu *ssp);

/* In the child of a fork: no thread, an empty list, one domain unqueued. */
void bf_srcu_worker_after_fork(void);
void bf_srcu_worker_unqueue(struct bf_srcu *ssp);

#endif
