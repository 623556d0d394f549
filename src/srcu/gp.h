/* SPDX-License-Identifier: MIT */
/*
 * The grace period: counters, scan, flip, sequence numbers, and the callbacks
 * that it takes along.  No system call and no lock in here, so that a model
 * checker can include the source.  The caller of every function but the first
 * three holds the domain's lock, unless its comment says otherwise.
 */
#ifndef BF_SRCU_GP_H
#define BF_SRCU_GP_H

#include "belfry/srcu.h"

/*
 * The low bits of gp_seq are the phase of the grace period in progress.  Its
 * end adds the difference to the next multiple of 4.
 */
enum {
	SRCU_GP_IDLE = 0,
	SRCU_GP_SCAN1 = 1, /* waits for the bank that new readers do not use */
	SRCU_GP_SCAN2 = 2, /* after the flip: waits for the other bank */
	SRCU_GP_MASK = 3,
};

/* The number of slots in bf_srcu::slots, the same for every domain. */
extern unsigned int bf_srcu_nr_slots;

/*
 * The value of gp_seq at the end of the first grace period that begins after
 * gp_seq was seq.  If one is in progress at seq, that is the one after it: the
 * one in progress may have scanned the readers already.
 */
unsigned long bf_srcu_gp_snap(unsigned long seq);

/* Is the grace period of cookie over in a domain at seq? */
bool bf_srcu_gp_done(unsigned long seq, unsigned long cookie);

static inline unsigned int bf_srcu_gp_phase(const struct bf_srcu *ssp)
{
	return ssp->gp_seq & SRCU_GP_MASK;
}

/* Is any section open?  Exact only while no reader enters. */
bool bf_srcu_gp_readers(struct bf_srcu *ssp);

/* The entries less the exits of a bank: exact only while no reader enters. */
unsigned long bf_srcu_bank_balance(struct bf_srcu *ssp, int bank);

/* The entries less the exits of one slot, for reports. */
long bf_srcu_slot_balance(struct __bf_srcu_slot *slot, int bank);

/* Makes new readers count in bank idx. */
void bf_srcu_set_bank(struct bf_srcu *ssp, unsigned int idx);

/*
 * Does the bank that the grace period waits for have no open section?  Needs
 * no lock.  Exact for the last reader that leaves the bank.
 */
bool bf_srcu_gp_bank_left(struct bf_srcu *ssp);

/* Goes from idle to SCAN1, and takes the queued callbacks along. */
void bf_srcu_gp_start(struct bf_srcu *ssp);

/*
 * Advances the grace period in progress as far as readers allow.  Returns true
 * if it is over: the domain is idle and its callbacks are in cb_done.  Returns
 * false if a reader holds it up.
 */
bool bf_srcu_gp_advance(struct bf_srcu *ssp);

/*
 * Bits of cb_next, beside the address of the callback queued last.  One
 * exchange takes the bits with the callbacks, so a bit is set exactly while a
 * callback that needs it is queued.
 */
enum {
	SRCU_CB_URGENT =
		1, /* one of the callbacks must not wait for the pace */
	SRCU_CB_NORMAL = 2, /* one of them waits for the pace */
	SRCU_CB_BITS = 3,
};

/*
 * Pushes a callback on cb_next and sets bits there.  Needs no lock.  Returns
 * true if not all of the bits were set before.
 */
bool bf_srcu_cb_push(struct bf_srcu *ssp, struct bf_srcu_head *head,
		     uintptr_t bits);

/* The callbacks of cb_next, newest first. */
static inline struct bf_srcu_head *bf_srcu_cb_heads(uintptr_t cb_next)
{
	return (struct bf_srcu_head *)(cb_next & ~(uintptr_t)SRCU_CB_BITS);
}

/*
 * Is a grace period requested that has not begun?  Callbacks do not request one
 * before it can take them: see cb_collect().
 */
bool bf_srcu_gp_wanted(const struct bf_srcu *ssp);

/* Is one requested that must begin at once, or one that waits for the pace? */
bool bf_srcu_gp_wanted_now(const struct bf_srcu *ssp);
bool bf_srcu_gp_wanted_paced(const struct bf_srcu *ssp);

#endif
