// SPDX-License-Identifier: MIT
#include "srcu/deferred.h"
#include "srcu/wait.h"

/*
 * A grace period reads the counters of each CPU, so several changes share one.
 * With more, the memory would leave the short lists of malloc(), from which the
 * next changes take theirs.  A model has less.
 */
#ifndef BF_DEFERRED_BATCH
#define BF_DEFERRED_BATCH 4
#endif
#define MAX_WAITING 32

void bf_deferred_free(struct srcu_struct *ssp, struct bf_deferred *deferred)
{
	struct srcu_head *next, *head = deferred->first;

	if (deferred->count < BF_DEFERRED_BATCH)
		return;
	if (bf_srcu_gp_try(ssp)) {
		bf_deferred_end(deferred);
	} else if (deferred->count > MAX_WAITING) {
		*deferred = (struct bf_deferred){0};
		for (; head; head = next) {
			next = head->next;
			call_srcu(ssp, head, head->func);
		}
	}
}

void bf_deferred_end(struct bf_deferred *deferred)
{
	struct srcu_head *next, *head = deferred->first;

	*deferred = (struct bf_deferred){0};
	for (; head; head = next) {
		next = head->next;
		head->func(head);
	}
}
