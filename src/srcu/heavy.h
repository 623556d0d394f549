/* SPDX-License-Identifier: MIT */
/*
 * The heavy barrier of fast domains: membarrier(2), which puts a full fence
 * into every running thread of the process.  One serves every domain whose
 * grace period began before it, so they are numbered.
 */
#ifndef BF_SRCU_HEAVY_H
#define BF_SRCU_HEAVY_H

#include <stdbool.h>

/* Registers the process, once; false: there is no membarrier to be had. */
bool srcu_heavy_available(void);

/*
 * The number of the first heavy barrier that begins after this call, whoever
 * makes it.  The caller's stores before a full fence before this are covered.
 */
unsigned long srcu_heavy_next(void);

/* Is a heavy barrier with this or a later number over? */
bool srcu_heavy_done(unsigned long number);

/* Makes one. */
void srcu_heavy_barrier(void);

#endif
