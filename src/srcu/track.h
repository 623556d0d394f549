/* SPDX-License-Identifier: MIT */
/*
 * Sections tracked by thread, heads tracked while queued: for stall reports
 * that name who, and to find misuse.  Only for domains with ssp->tracked.
 */
#ifndef BF_SRCU_TRACK_H
#define BF_SRCU_TRACK_H

#include "belfry/srcu.h"

struct srcu_text;

/* Is tracking on, by call or by environment? */
bool srcu_tracking(void);

/*
 * Readers of a domain of DEFINE_SRCU() may come before it is set up, and go
 * afterwards: what holds then has to hold before.
 */
static inline bool srcu_tracked(const struct srcu_struct *ssp)
{
	if (!__atomic_load_n(&ssp->all_link, __ATOMIC_ACQUIRE))
		return srcu_tracking();
	return __atomic_load_n(&ssp->tracked, __ATOMIC_RELAXED);
}

void srcu_track_lock(struct srcu_struct *ssp, int idx, bool fast, void *place);

/* False: there is no such section, which was reported; it must not count. */
bool srcu_track_unlock(struct srcu_struct *ssp, int idx, bool fast,
		       void *place);

/* Before a wait: reports, and aborts, if it would be for the own section. */
void srcu_track_wait(struct srcu_struct *ssp, void *place);

/* False: it is queued already, which was reported. */
bool srcu_track_queue(struct srcu_struct *ssp, struct srcu_head *head,
		      void *place);
void srcu_track_unqueue(struct srcu_head *head);

/* The threads that are in sections of the domain, and since where. */
void srcu_track_describe(struct srcu_text *text, struct srcu_struct *ssp);

/* Around a fork; in the child only the calling thread is left, outside. */
void srcu_track_before_fork(void);
void srcu_track_after_fork(bool in_child);

#endif
