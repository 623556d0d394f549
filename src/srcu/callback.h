/* SPDX-License-Identifier: MIT */
/* Callbacks: running those that are ready. */
#ifndef BF_SRCU_CALLBACK_H
#define BF_SRCU_CALLBACK_H

#include "belfry/srcu.h"

#define SRCU_ALL_CALLBACKS UINT64_MAX

/*
 * Are callbacks ready that no thread is running?  The caller holds the lock.
 * The thread that runs a batch changes cb_batch without the lock, so
 * cb_running comes first.
 */
static inline bool bf_srcu_callbacks_ready(const struct bf_srcu *ssp)
{
	return !ssp->cb_running && (ssp->cb_batch || ssp->cb_done);
}

/*
 * Runs at most max of the callbacks that are ready.  Returns false if there is
 * none, or if another thread is running callbacks of the domain.  The caller
 * holds the lock; it is dropped while they run.
 */
bool bf_srcu_run_callbacks(struct bf_srcu *ssp, uint64_t max);

/*
 * In the child of a fork: the callback that a thread of the parent was running
 * is not called again; the rest of its batch is ready again.
 */
void bf_srcu_callbacks_after_fork(struct bf_srcu *ssp);

#endif
