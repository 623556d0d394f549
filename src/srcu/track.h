/* SPDX-License-Identifier: MIT */
/*
 * Tracking: the open sections of each thread and the queued heads, so that a
 * stall report names the readers and misuse is found.  Only for domains with
 * ssp->tracked.
 */
#ifndef BF_SRCU_TRACK_H
#define BF_SRCU_TRACK_H

#include "belfry/srcu.h"

struct bf_srcu_text;

/* Is tracking on, by call or by environment? */
bool bf_srcu_tracking(void);
void bf_srcu_track(bool on);

void bf_srcu_track_lock(struct bf_srcu *ssp, int idx, bool fast, void *place);

/*
 * Returns false, after a report, if there is no such section.  The exit must
 * not be counted then.
 */
bool bf_srcu_track_unlock(struct bf_srcu *ssp, int idx, bool fast, void *place);

/* Before a wait: reports if this thread is in a section of the domain. */
void bf_srcu_track_wait(struct bf_srcu *ssp, void *place);

/* Returns false, after a report, if the head is queued already. */
bool bf_srcu_track_queue(struct bf_srcu *ssp, struct bf_srcu_head *head,
			 void *place);
void bf_srcu_track_unqueue(struct bf_srcu_head *head);

/* Adds the threads that are in sections of the domain, with the places. */
void bf_srcu_track_describe(struct bf_srcu_text *text, struct bf_srcu *ssp);

/* Around a fork.  The child has the calling thread only, in no section. */
void bf_srcu_track_before_fork(void);
void bf_srcu_track_after_fork(bool in_child);

#endif
