/* SPDX-License-Identifier: MIT */
/*
 * The barrier of fast domains: membarrier(2) executes a full fence in every
 * thread of the process that runs.  One call serves each domain with a grace
 * period that began before it, so calls are numbered.
 */
#ifndef BF_SRCU_MEMBARRIER_H
#define BF_SRCU_MEMBARRIER_H

#include <stdbool.h>

/* Registers the process, once.  Returns false if the kernel refuses. */
bool bf_srcu_membarrier_available(void);

/*
 * Returns the number of the first membarrier that begins after this call, in
 * any thread.  It orders the stores that the caller made before a full fence
 * before this call.
 */
unsigned long bf_srcu_membarrier_next(void);

/* Is a membarrier with this number, or a later one, over? */
bool bf_srcu_membarrier_done(unsigned long number);

/* Makes one. */
void bf_srcu_membarrier(void);

#endif
