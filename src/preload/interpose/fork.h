/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_FORK_H
#define BF_PRELOAD_FORK_H

/* Registers the handler that runs in each child of a fork(). */
void fork_setup(void);

#endif
