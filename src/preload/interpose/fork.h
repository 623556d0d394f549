/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_FORK_H
#define BF_PRELOAD_FORK_H

/* Prepares for the program's fork(). */
void fork_setup(void);

#endif
