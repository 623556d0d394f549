/* SPDX-License-Identifier: MIT */
/* Driving a grace period, sleeping for readers, and waking the sleepers. */
#ifndef BF_SRCU_WAIT_H
#define BF_SRCU_WAIT_H

#include "srcu/futex.h"
#include "srcu/gp.h"

/* Bits of bf_srcu::waiting: the sleepers that a leaving reader has to wake. */
enum {
	SRCU_WAIT_SYNC = 1,
	SRCU_WAIT_WORKER = 2,
};

/* Begins a grace period; expedited only counts it.  Lock held. */
void bf_srcu_gp_begin(struct bf_srcu *ssp, bool expedited);

/* Sets when the paced grace period may begin, unless that is set. */
void bf_srcu_start_pace(struct bf_srcu *ssp, uint64_t now);

/* Does the scan still need a membarrier before it?  Lock held. */
bool bf_srcu_gp_wants_membarrier(const struct bf_srcu *ssp);

/*
 * Makes the membarrier if the scan needs one, and advances the grace period.
 * When it is over, wakes the sleepers, and the worker if callbacks are ready.
 * Returns true if it is over.  Lock held.
 */
bool bf_srcu_gp_step(struct bf_srcu *ssp);

/*
 * Announces in ssp->waiting that @sleeper is going to sleep, unless that was
 * announced since the last flip.  If this returns true, the caller must call
 * bf_srcu_gp_step() once more before it sleeps; that step may flip, so the
 * caller then has to announce again.  Lock held.
 *
 * A reader counts its exit and then reads ssp->waiting; this function sets
 * ssp->waiting, and the step behind it reads the counts.  A full fence here
 * orders the two accesses of the updater.  The reader has no fence between its
 * two:
 *
 * - In a fast domain the membarrier of the next step executes one there: that
 *   step sees the exit, or the reader sees the flag.
 * - In a fenced domain, which interrupts no thread, the exit may still be in
 *   the store buffer of a reader that reads 0, and then no reader wakes the
 *   sleeper.  So the sleeper sets a timeout, SRCU_RECHECK_NS at first.  Store
 *   buffers drain in nanoseconds (Morrison and Afek, "Temporally Bounding TSO
 *   for Fence-Free Asymmetric Synchronization", ASPLOS 2015), so the second
 *   scan sees the exit.  The price is one timer a sleep instead of one fence a
 *   section.
 *
 * A reader that sees the flag wakes the sleeper only if it is the last one to
 * leave the awaited bank (__bf_srcu_wake()).
 */
bool bf_srcu_gp_announce_sleep(struct bf_srcu *ssp, unsigned int sleeper);

#define SRCU_RECHECK_NS	    (1 * NSEC_PER_MSEC)
#define SRCU_RECHECK_MAX_NS (10 * NSEC_PER_SEC)

/*
 * How long to sleep at most after an announcement: until the next scan of a
 * fenced domain, twice as long each time, or until a stall has to be reported.
 */
uint64_t bf_srcu_gp_sleep_ns(const struct bf_srcu *ssp);

/*
 * Tries to complete a full grace period without waiting for readers.  Returns
 * true if one has passed.  If it returns false, one may be in progress, which
 * the next request or the next call of this function ends.  A caller that needs
 * the end queues a callback.  May be called inside a section of the domain.
 */
bool bf_srcu_gp_try(struct bf_srcu *ssp);

/*
 * Waits for a full grace period, but not after @until_ns of bf_now_ns().
 * Returns false if readers held it up.  May be called inside a section of the
 * domain, which holds it up.
 */
bool bf_srcu_synchronize_until(struct bf_srcu *ssp, uint64_t until_ns);

#endif
