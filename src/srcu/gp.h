/* SPDX-License-Identifier: MIT */
/*
 * The grace period itself: counters, scan, flip, sequence numbers and the way
 * of callbacks through them.  No system call and no lock in here, so that a
 * model checker can include the source; every function but the first three
 * wants the domain's lock held.
 */
#ifndef BF_SRCU_GP_H
#define BF_SRCU_GP_H

#include "belfry/srcu.h"

/*
 * The low bits of gp_seq say how far the grace period in progress is; one
 * that ends adds what is missing to the next multiple of 4.
 */
enum {
	SRCU_GP_IDLE = 0,
	SRCU_GP_SCAN1 = 1, /* waits for the bank that new readers leave alone */
	SRCU_GP_SCAN2 = 2, /* flipped: waits for the other */
	SRCU_GP_MASK = 3,
};

#define SRCU_GP_COMPLETED 1UL /* a cookie that is always over */

/* Slots behind bf_srcu::slots, the same for every domain. */
extern unsigned int bf_srcu_nr_slots;

/*
 * The value of gp_seq at which a full grace period has passed that began
 * after seq was read: the end of the next one, or, while one is in progress,
 * of the one after it, whose readers nobody has looked at yet.
 */
unsigned long bf_srcu_gp_snap(unsigned long seq);

/* Has a domain at seq passed the grace period that cookie stands for? */
bool bf_srcu_gp_done(unsigned long seq, unsigned long cookie);

static inline unsigned int bf_srcu_gp_phase(const struct bf_srcu *ssp)
{
	return ssp->gp_seq & SRCU_GP_MASK;
}

/* Is any section open?  Exact only while nobody enters one. */
bool bf_srcu_gp_readers(struct bf_srcu *ssp);

/* Entries less exits of one slot; for reports. */
long bf_srcu_slot_balance(struct __bf_srcu_slot *slot, int bank);

/* Where new readers count from now on. */
void bf_srcu_set_bank(struct bf_srcu *ssp, unsigned int idx);

/*
 * Is the bank that the grace period in progress waits for even?  Needs no
 * lock; exact for the last reader that leaves it.
 */
bool bf_srcu_gp_bank_left(struct bf_srcu *ssp);

/* From idle to SCAN1; the queued callbacks come along. */
void bf_srcu_gp_start(struct bf_srcu *ssp);

/*
 * One is in progress.  Goes as far as readers let it: true when the grace
 * period is over (idle again, its callbacks moved to cb_done), false when a
 * reader is in the way.
 */
bool bf_srcu_gp_advance(struct bf_srcu *ssp);

/*
 * Bits of cb_next, beside the address of the callback queued last.  Taken
 * together with the callbacks they cannot outlive them, nor be missing.
 */
enum {
	SRCU_CB_URGENT = 1, /* one of them must not wait for a pace */
	SRCU_CB_NORMAL = 2, /* one of them would */
	SRCU_CB_BITS = 3,
};

/*
 * Pushes a callback on cb_next, with bits; needs no lock.  True: nobody had
 * pushed one with all of these bits.
 */
bool bf_srcu_cb_push(struct bf_srcu *ssp, struct bf_srcu_head *head,
		     uintptr_t bits);

/* Those of cb_next, newest first. */
static inline struct bf_srcu_head *bf_srcu_cb_heads(uintptr_t cb_next)
{
	return (struct bf_srcu_head *)(cb_next & ~(uintptr_t)SRCU_CB_BITS);
}

/* Takes all that may run. */
struct bf_srcu_head *bf_srcu_cb_take_done(struct bf_srcu *ssp);

/* Does somebody want a grace period that has not begun? */
bool bf_srcu_gp_wanted(const struct bf_srcu *ssp);

/* Does somebody want one at once, or one after the pace? */
bool bf_srcu_gp_wanted_now(const struct bf_srcu *ssp);
bool bf_srcu_gp_wanted_paced(const struct bf_srcu *ssp);

#endif
