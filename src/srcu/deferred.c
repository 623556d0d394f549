// SPDX-License-Identifier: MIT
#include "srcu/deferred.h"
#include "srcu/wait.h"

#define MAX_WAITING 32

void bf_deferred_free(struct srcu_struct *ssp, struct bf_deferred *deferred)
{
	struct srcu_head *next, *head = deferred->first;
	const bool ready = head && bf_srcu_gp_try(ssp);

	if (!ready && deferred->count <= MAX_WAITING)
		return;
	*deferred = (struct bf_deferred){0};
	for (; head; head = next) {
		next = head->next;
		if (ready)
			head->func(head);
		else
			call_srcu(ssp, head, head->func);
	}
}
