/* SPDX-License-Identifier: MIT */
/* SRCU's worker, as the kernel lists this process's threads. */
#ifndef BF_CLI_SRCU_WORKER_H
#define BF_CLI_SRCU_WORKER_H

#include <sys/types.h>

/*
 * How many threads bear the worker's name; *tid becomes the id of one where
 * there is any.
 */
unsigned int find_srcu_workers(pid_t *tid);

#endif
