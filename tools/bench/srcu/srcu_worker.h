/* SPDX-License-Identifier: MIT */
/* SRCU's worker in the kernel's list of threads. */
#ifndef BF_CLI_SRCU_WORKER_H
#define BF_CLI_SRCU_WORKER_H

#include <sys/types.h>

/*
 * Returns the number of threads with the worker's name, and the id of one of
 * them in *tid.
 */
unsigned int find_srcu_workers(pid_t *tid);

#endif
