/* SPDX-License-Identifier: MIT */
/* Domains of the process: their set-up, and the list of them. */
#ifndef BF_SRCU_DOMAIN_H
#define BF_SRCU_DOMAIN_H

#include "belfry/srcu.h"

/*
 * Before the first update: counters, flavour and tracking of a domain that
 * BF_SRCU_DEFINE() made.  Where there is no memory it goes on without its own.
 */
void bf_srcu_prepare_slow(struct bf_srcu *ssp);

static inline void bf_srcu_prepare(struct bf_srcu *ssp)
{
	if (!__atomic_load_n(&ssp->all_link, __ATOMIC_ACQUIRE))
		bf_srcu_prepare_slow(ssp);
}

/* fork.c: keeps the domains usable in a child; once. */
void bf_srcu_fork_init(void);

/*
 * Domains that were read before they were set up: a stack that readers push
 * on; who takes one off holds srcu_all_lock.
 */
extern struct bf_srcu *bf_srcu_early;

/* Every domain; under bf_srcu_all_lock, which comes before any domain's. */
extern struct bf_srcu *bf_srcu_all;
extern pthread_mutex_t bf_srcu_all_lock;

#endif
