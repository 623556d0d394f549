/* SPDX-License-Identifier: MIT */
/*
 * Sections tracked by thread, heads tracked while queued: for stall reports
 * that name who, and to find misuse.  Only for domains with ssp->tracked.
 */
#ifndef BF_SRCU_TRACK_H
#define BF_SRCU_TRACK_H

#include "belfry/srcu.h"

struct bf_srcu_text;

/* Is tracking on, by call or by environment? */
bool bf_srcu_tracking(void);

/*
 * Readers of a domain of BF_SRCU_DEFINE() may come before it is set up, and go
 * afterwards: what holds then has to hold before.
 */
static inline bool bf_srcu_tracked(const struct bf_srcu *ssp)
{
	if (!__atomic_load_n(&ssp->all_link, __ATOMIC_ACQUIRE))
		return bf_srcu_tracking();
	return __atomic_load_n(&ssp->tracked, __ATOMIC_RELAXED);
}

void bf_srcu_track_lock(struct bf_srcu *ssp, int idx, bool fast, void *place);

/* False: there is no such section, which was reported; it must not count. */
bool bf_srcu_track_unlock(struct bf_srcu *ssp, int idx, bool fast, void *place);

/* Before a wait: reports, and aborts, if it would be for the own section. */
void bf_srcu_track_wait(struct bf_srcu *ssp, void *place);

/* False: it is queued already, which was reported. */
bool bf_srcu_track_queue(struct bf_srcu *ssp, struct bf_srcu_head *head,
			 void *place);
void bf_srcu_track_unqueue(struct bf_srcu_head *head);

/* The threads that are in sections of the domain, and since where. */
void bf_srcu_track_describe(struct bf_srcu_text *text, struct bf_srcu *ssp);

/* Around a fork; in the child only the calling thread is left, outside. */
void bf_srcu_track_before_fork(void);
void bf_srcu_track_after_fork(bool in_child);

#endif
