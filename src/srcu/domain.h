/* SPDX-License-Identifier: MIT */
/* The domains of the process: their set-up, and the lists of them. */
#ifndef BF_SRCU_DOMAIN_H
#define BF_SRCU_DOMAIN_H

#include "belfry/srcu.h"

/*
 * Before the first update: sets up the counters, the flavour and the tracking
 * of a domain of BF_SRCU_DEFINE().  Without memory for counters the domain
 * goes on with its boot slot.
 */
void bf_srcu_prepare_slow(struct bf_srcu *ssp);

static inline void bf_srcu_prepare(struct bf_srcu *ssp)
{
	if (!__atomic_load_n(&ssp->all_link, __ATOMIC_ACQUIRE))
		bf_srcu_prepare_slow(ssp);
}

/*
 * Domains that were read before their set-up: a stack.  Readers push on it; a
 * thread that takes a domain off holds bf_srcu_all_lock.
 */
extern struct bf_srcu *bf_srcu_early;

/*
 * Every domain that is set up.  The lock is taken before the lock of a domain.
 */
extern struct bf_srcu *bf_srcu_all;
extern pthread_mutex_t bf_srcu_all_lock;

#endif
