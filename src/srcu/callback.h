/* SPDX-License-Identifier: MIT */
/* Callbacks: running those that are ready. */
#ifndef BF_SRCU_CALLBACK_H
#define BF_SRCU_CALLBACK_H

#include "belfry/srcu.h"

/*
 * Runs the callbacks that are ready.  Returns false if there is none, or if
 * another thread is running callbacks of the domain.  The caller holds the
 * lock; it is dropped while they run.
 */
bool bf_srcu_run_callbacks(struct bf_srcu *ssp);

/*
 * In the child of a fork: the callback that a thread of the parent was running
 * is not called again; the rest of its batch is ready again.
 */
void bf_srcu_callbacks_after_fork(struct bf_srcu *ssp);

#endif
