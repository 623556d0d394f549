/* SPDX-License-Identifier: MIT */
/*
 * Memory that changes leave behind, and that waits for a grace period.  Each
 * fourth change frees it if there is no reader.  Otherwise it waits for the
 * next change, and not for the worker of SRCU: to wake a thread for each change
 * beside a busy reader costs the updater a system call, and the reader its CPU
 * if the thread runs there.
 */
#ifndef BF_SRCU_DEFERRED_H
#define BF_SRCU_DEFERRED_H

#include "belfry/srcu.h"

/* All zero: nothing waits.  The caller's lock guards it. */
struct bf_deferred {
	struct srcu_head *first;
	unsigned int count;
};

/* fn frees the memory of head, which no new reader finds; it takes no lock. */
static inline void bf_deferred_add(struct bf_deferred *deferred,
				   struct srcu_head *head,
				   void (*fn)(struct srcu_head *head))
{
	head->next = deferred->first;
	head->func = fn;
	deferred->first = head;
	deferred->count++;
}

/*
 * If at least 4 wait, frees all if there is no reader.  If there is one, and
 * more than 32 wait, the worker frees them later.  May be called inside a
 * section.
 */
void bf_deferred_free(struct srcu_struct *ssp, struct bf_deferred *deferred);

/* Frees all, at the end of the domain: there is no reader any more. */
void bf_deferred_end(struct bf_deferred *deferred);

#endif
