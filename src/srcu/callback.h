/* SPDX-License-Identifier: MIT */
/* Callbacks: running those that are ready. */
#ifndef BF_SRCU_CALLBACK_H
#define BF_SRCU_CALLBACK_H

#include "belfry/srcu.h"

/*
 * Runs what is ready, unless somebody else does already; false: nothing was.
 * Lock held, dropped meanwhile.
 */
bool srcu_run_callbacks(struct srcu_struct *ssp);

/*
 * In the child of a fork: the callback that somebody was running is his, the
 * rest of his batch is ready again.
 */
void srcu_callbacks_after_fork(struct srcu_struct *ssp);

#endif
