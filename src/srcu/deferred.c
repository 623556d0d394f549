// SPDX-License-Identifier: MIT
#include "srcu/deferred.h"
#include "srcu/wait.h"

#define MAX_WAITING 32

void bf_deferred_free(struct srcu_struct *ssp, struct bf_deferred *deferred)
{
	struct srcu_head *next, *head = deferred->first;

	if (!head)
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
