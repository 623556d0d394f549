/* SPDX-License-Identifier: MIT */
/* Domains of the process: their set-up, and the list of them. */
#ifndef BF_SRCU_DOMAIN_H
#define BF_SRCU_DOMAIN_H

#include "belfry/srcu.h"

/*
 * Before the first update: counters, flavour and tracking of a domain that
 * DEFINE_SRCU() made.  Where there is no memory it goes on without its own.
 */
void srcu_prepare_slow(struct srcu_struct *ssp);

static inline void srcu_prepare(struct srcu_struct *ssp)
{
	if (!__atomic_load_n(&ssp->all_link, __ATOMIC_ACQUIRE))
		srcu_prepare_slow(ssp);
}

/* fork.c: keeps the domains usable in a child; once. */
void srcu_fork_init(void);

/*
 * Domains that were read before they were set up: a stack that readers push
 * on; who takes one off holds srcu_all_lock.
 */
extern struct srcu_struct *srcu_early;

/* Every domain; under srcu_all_lock, which comes before any domain's. */
extern struct srcu_struct *srcu_all;
extern pthread_mutex_t srcu_all_lock;

#endif
