// SPDX-License-Identifier: MIT
/*
 * A thread of the SRCU torture that only polls, on domains where nobody else
 * asks for grace periods: start_poll_synchronize_srcu() must be enough.
 */
#include "tools/belfry/common/sleep.h"
#include "torture_srcu.h"

static void replace_and_poll(struct actor *actor, struct domain *domain)
{
	unsigned int writer = actor_random(actor, srcu_torture.nr_writers);
	struct account *account = &domain->accounts[writer];
	struct object *old =
		account_replace(actor, account, account_get(account));

	actor_does(actor, "polls", domain->name);
	old->cookie = start_poll_synchronize_srcu(domain->srcu);
	while (!poll_state_synchronize_srcu(domain->srcu, old->cookie))
		sleep_us(actor_random(actor, 200));
	object_end(old);
	actor->tallies[TALLY_SELF_POLLED]++;
}

void *poller_main(void *number)
{
	struct actor actor;

	actor_init(&actor, ACTOR_POLLER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped())
		replace_and_poll(&actor, actor_domain(&actor, DOMAIN_POLLED));
	actor_done(&actor);
	return NULL;
}
