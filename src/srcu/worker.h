/* SPDX-License-Identifier: MIT */
/*
 * Callbacks, and the worker: one thread of the process that drives paced grace
 * periods and runs callbacks, for every domain that has any.  It never waits for
 * one domain, so a reader that sleeps in one domain does not hold up another.
 */
#ifndef BF_SRCU_WORKER_H
#define BF_SRCU_WORKER_H

#include "belfry/srcu.h"

#define SRCU_ALL_CALLBACKS UINT64_MAX

/*
 * Are callbacks ready that no thread is running?  The caller holds the lock.
 * The thread that runs a batch changes cb_batch without the lock, so
 * cb_running comes first.
 */
static inline bool bf_srcu_callbacks_ready(const struct bf_srcu *ssp)
{
	return !ssp->cb_running &&
	       (ssp->cb_batch || ssp->cb_taken || ssp->cb_done);
}

/*
 * Runs at most max of the callbacks that are ready, or puts so many in order.
 * Returns false if there is none, or if another thread is running callbacks of
 * the domain.  The caller holds the lock; it is dropped while they run.
 */
bool bf_srcu_run_callbacks(struct bf_srcu *ssp, uint64_t max);

/*
 * In the child of a fork: the callback that a thread of the parent was running
 * is not called again; the rest of its batch is ready again.
 */
void bf_srcu_callbacks_after_fork(struct bf_srcu *ssp);

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

/* Makes the worker visit the domains on its list. */
void bf_srcu_worker_poke(enum srcu_haste haste);

/* Is the domain on the worker's list?  See worker_drop() for the order. */
bool bf_srcu_worker_has(struct bf_srcu *ssp);

/* Takes a domain that needs nothing off the worker's list. */
void bf_srcu_worker_forget(struct bf_srcu *ssp);

/* In the child of a fork: no thread, an empty list. */
void bf_srcu_worker_after_fork(void);

#endif
