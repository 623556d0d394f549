/* SPDX-License-Identifier: MIT */
/* Driving a grace period, sleeping for readers, and telling who waits. */
#ifndef BF_SRCU_WAIT_H
#define BF_SRCU_WAIT_H

#include "srcu/futex.h"
#include "srcu/gp.h"

/* Bits of srcu_struct::waiting: whom the reader that leaves shall wake. */
enum {
	SRCU_WAIT_SYNC = 1,
	SRCU_WAIT_WORKER = 2,
};

/* Begins a grace period; expedited is for the counters alone.  Lock held. */
void srcu_gp_begin(struct srcu_struct *ssp, bool expedited);

/* Sets when the paced grace period may begin, unless that is set. */
void srcu_start_pace(struct srcu_struct *ssp, uint64_t now);

/* Does the scan have to wait for a heavy barrier still?  Lock held. */
bool srcu_gp_wants_heavy(const struct srcu_struct *ssp);

/*
 * Advances, with a heavy barrier if that is still wanted; when the grace
 * period is over, tells the sleepers, and the worker if there are callbacks to
 * run.  Lock held.
 */
bool srcu_gp_step(struct srcu_struct *ssp);

/*
 * Says in ssp->waiting that @who is going to sleep, unless that has been said
 * since the last flip.  True: it has to be said, and the caller must
 * srcu_gp_step() once more before it sleeps; that step may flip, so it then
 * has to come here again.  Lock held.
 *
 * A reader counts its exit and then reads ssp->waiting; we set ssp->waiting
 * and then read the counts.  Our two are ordered by a full fence here.  The
 * reader has none between its two:
 *
 * - In a fast domain the heavy barrier that the next step makes puts one
 *   there: the exit is seen by that step, or the reader reads the flag.
 * - In a fenced domain, which interrupts nobody, its exit may still be in its
 *   store buffer while it reads 0, and nobody would wake us.  So who sleeps on
 *   this sets a timeout, SRCU_RECHECK_NS at first.  Store buffers drain in
 *   nanoseconds (Morrison and Afek, "Temporally Bounding TSO for Fence-Free
 *   Asymmetric Synchronization", ASPLOS 2015), so the second look is decisive;
 *   the price is one timer per sleep instead of one fence per section.
 *
 * A reader that reads the flag wakes somebody only if it was the last of the
 * awaited bank (__srcu_wake()).
 */
bool srcu_gp_announce_sleep(struct srcu_struct *ssp, unsigned int who);

#define SRCU_RECHECK_NS	    (1 * NSEC_PER_MSEC)
#define SRCU_RECHECK_MAX_NS (10 * NSEC_PER_SEC)

/*
 * How long to sleep at most after an announcement: until the second look of a
 * fenced domain, twice as long each time, or until a stall has to be reported.
 */
uint64_t srcu_gp_sleep_ns(const struct srcu_struct *ssp);

/*
 * A full grace period, if no reader is in the way: true, it has passed.  False:
 * one may be in progress, and the caller must queue a callback, so that there
 * is somebody to end it.  May be called inside a section of the domain.
 */
bool srcu_gp_try(struct srcu_struct *ssp);

/* Makes every sleeper of the domain look again. */
void srcu_wake_sleepers(struct srcu_struct *ssp);

#endif
