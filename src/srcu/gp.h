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

/* Slots behind srcu_struct::slots, the same for every domain. */
extern unsigned int srcu_nr_slots;

/*
 * The value of gp_seq at which a full grace period has passed that began
 * after seq was read: the end of the next one, or, while one is in progress,
 * of the one after it, whose readers nobody has looked at yet.
 */
unsigned long srcu_gp_snap(unsigned long seq);

/* Has a domain at seq passed the grace period that cookie stands for? */
bool srcu_gp_done(unsigned long seq, unsigned long cookie);

static inline unsigned int srcu_gp_phase(const struct srcu_struct *ssp)
{
	return ssp->gp_seq & SRCU_GP_MASK;
}

/* Is any section open?  Exact only while nobody enters one. */
bool srcu_gp_readers(struct srcu_struct *ssp);

/* Entries less exits of one slot; for reports. */
long srcu_slot_balance(struct __srcu_slot *slot, int bank);

/* Where new readers count from now on. */
void srcu_set_bank(struct srcu_struct *ssp, unsigned int idx);

/*
 * Is the bank that the grace period in progress waits for even?  Needs no
 * lock; exact for the last reader that leaves it.
 */
bool srcu_gp_bank_left(struct srcu_struct *ssp);

/* From idle to SCAN1; the queued callbacks come along. */
void srcu_gp_start(struct srcu_struct *ssp);

/*
 * One is in progress.  Goes as far as readers let it: true when the grace
 * period is over (idle again, its callbacks moved to cb_done), false when a
 * reader is in the way.
 */
bool srcu_gp_advance(struct srcu_struct *ssp);

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
bool srcu_cb_push(struct srcu_struct *ssp, struct srcu_head *head,
		  uintptr_t bits);

/* Those of cb_next, newest first. */
static inline struct srcu_head *srcu_cb_heads(uintptr_t cb_next)
{
	return (struct srcu_head *)(cb_next & ~(uintptr_t)SRCU_CB_BITS);
}

/* Takes all that may run. */
struct srcu_head *srcu_cb_take_done(struct srcu_struct *ssp);

/* Does somebody want a grace period that has not begun? */
bool srcu_gp_wanted(const struct srcu_struct *ssp);

/* Does somebody want one at once, or one after the pace? */
bool srcu_gp_wanted_now(const struct srcu_struct *ssp);
bool srcu_gp_wanted_paced(const struct srcu_struct *ssp);

#endif
