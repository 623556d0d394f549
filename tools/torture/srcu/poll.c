// SPDX-License-Identifier: MIT
/*
 * The polling thread of the SRCU torture.  No other thread requests grace
 * periods of its domains: start_poll_synchronize_srcu() must be enough.
 */
#include "tools/belfry/common/sleep.h"
#include "torture_srcu.h"

static void replace_and_poll(struct torture_thread *self, struct domain *domain)
{
	unsigned int writer = thread_random(self, srcu_torture.nr_writers);
	struct account *account = &domain->accounts[writer];
	struct object *old =
		account_replace(self, account, account_get(account));

	thread_does(self, "polls", domain->name);
	old->cookie = start_poll_synchronize_srcu(domain->srcu);
	while (!poll_state_synchronize_srcu(domain->srcu, old->cookie))
		sleep_us(thread_random(self, 200));
	object_end(old);
	self->tallies[TALLY_SELF_POLLED]++;
}

void *poller_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, THREAD_POLLER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped())
		replace_and_poll(&self, thread_domain(&self, DOMAIN_POLLED));
	thread_done(&self);
	return NULL;
}
