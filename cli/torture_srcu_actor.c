// SPDX-License-Identifier: MIT
/* The threads of the SRCU torture: random choices and tallies. */
#include <string.h>

#include "torture_srcu.h"

struct srcu_torture srcu_torture;

unsigned int actor_random(struct actor *actor, unsigned int n)
{
	return torture_random(&actor->random, n);
}

void actor_init(struct actor *actor, enum actor_kind kind, unsigned int number)
{
	memset(actor, 0, sizeof(*actor));
	actor->number = number;
	actor->random = torture_random_init(kind, number);
}

struct domain *actor_brisk_domain(struct actor *actor)
{
	struct domain *domain;

	do {
		domain = &srcu_torture.domains[actor_random(
			actor, srcu_torture.nr_domains)];
	} while (!domain->brisk);
	return domain;
}

void actor_done(struct actor *actor)
{
	for (int i = 0; i < NR_TALLIES; i++)
		__atomic_fetch_add(&srcu_torture.tallies[i], actor->tallies[i],
				   __ATOMIC_RELAXED);
}
