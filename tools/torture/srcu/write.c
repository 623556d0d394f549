// SPDX-License-Identifier: MIT
/* Writers of the SRCU torture: every way to get rid of an object. */
#include "torture_srcu.h"

static void end_sync(struct actor *actor, struct object *old)
{
	struct domain *domain = old->account->domain;

	actor_does(actor, "synchronize_srcu", domain->name);
	synchronize_srcu(domain->srcu);
	object_end(old);
	actor->tallies[TALLY_SYNC]++;
}

static void end_expedited(struct actor *actor, struct object *old)
{
	struct domain *domain = old->account->domain;

	actor_does(actor, "synchronize_srcu_expedited", domain->name);
	synchronize_srcu_expedited(domain->srcu);
	object_end(old);
	actor->tallies[TALLY_SYNC_EXPEDITED]++;
}

static enum object_then then(struct actor *actor)
{
	unsigned int dice = actor_random(actor, 256);

	if (dice >= 34)
		return OBJECT_PUT;
	if (dice >= 2)
		return OBJECT_AGAIN;
	return dice ? OBJECT_WAIT : OBJECT_WAIT_OTHER;
}

static void end_call(struct actor *actor, struct object *old)
{
	struct account *account = old->account;

	old->order = account->queued++;
	old->then = then(actor);
	if (old->then == OBJECT_WAIT_OTHER)
		old->other = actor_domain(actor, DOMAIN_UPDATED);
	actor_does(actor, "call_srcu", account->domain->name);
	if (actor_random(actor, 2))
		call_srcu(account->domain->srcu, &old->head, object_called);
	else
		call_srcu_expedited(account->domain->srcu, &old->head,
				    object_called);
	actor->tallies[TALLY_CALLBACKS]++;
}

/* What was polled for before and is over by now. */
static void end_polled(struct account *account)
{
	struct srcu_struct *srcu = account->domain->srcu;
	struct object *object, **link = &account->polled;

	while ((object = *link)) {
		if (poll_state_synchronize_srcu(srcu, object->cookie)) {
			*link = object->next;
			object_end(object);
		} else {
			link = &object->next;
		}
	}
}

static void end_poll(struct actor *actor, struct object *old)
{
	struct account *account = old->account;
	struct srcu_struct *srcu = account->domain->srcu;

	old->cookie = actor_random(actor, 2) ?
			      get_state_synchronize_srcu(srcu) :
			      start_poll_synchronize_srcu(srcu);
	old->next = account->polled;
	account->polled = old;
	actor->tallies[TALLY_POLLED]++;
}

static void expedite(struct actor *actor, struct object *old)
{
	end_call(actor, old);
	srcu_expedite_current(old->account->domain->srcu);
}

/* All that this writer queued before must have been called. */
static void barrier(struct actor *actor, struct account *account)
{
	unsigned long run;

	actor_does(actor, "srcu_barrier", account->domain->name);
	srcu_barrier(account->domain->srcu);
	run = __atomic_load_n(&account->run, __ATOMIC_ACQUIRE);
	if (run != account->queued)
		torture_fail("%s: a barrier returned before %lu of %lu "
			     "callbacks",
			     account->domain->name, account->queued - run,
			     account->queued);
	actor->tallies[TALLY_BARRIERS]++;
}

static const struct {
	unsigned int percent;
	void (*end)(struct actor *actor, struct object *old);
} ends[] = {
	{1, end_sync},	{9, end_expedited}, {60, end_call},
	{28, end_poll}, {2, expedite},
};

static void update(struct actor *actor, struct account *account)
{
	unsigned int i = 0, dice = actor_random(actor, 100);
	struct object *new = account_get(account);

	if (!new) {
		barrier(actor, account);
		end_polled(account);
		return;
	}
	while (dice >= ends[i].percent)
		dice -= ends[i++].percent;
	ends[i].end(actor, account_replace(actor, account, new));
}

/* Short grace periods, one after the other: see sprint() of the readers. */
static void sprint(struct actor *actor)
{
	struct domain *domain = actor_domain(actor, DOMAIN_BRISK);
	struct account *account = &domain->accounts[actor->number];
	struct object *old, *new;

	for (int i = 0; i < SPRINT && !torture_stopped(); i++) {
		new = account_get(account);
		if (!new)
			return;
		old = account->cells[0];
		srcu_assign_pointer(account->cells[0], new);
		end_expedited(actor, old);
	}
}

/* A grace period for the cookies of which nobody drives one. */
static void finish(struct actor *actor, struct account *account)
{
	actor_does(actor, "synchronize_srcu_expedited", account->domain->name);
	synchronize_srcu_expedited(account->domain->srcu);
	end_polled(account);
	if (account->polled)
		torture_fail("%s: a cookie was not over after a whole grace "
			     "period",
			     account->domain->name);
	barrier(actor, account);
}

void *writer_main(void *number)
{
	struct actor actor;
	struct domain *domain;
	struct account *account;

	actor_init(&actor, ACTOR_WRITER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		if (actor.number % 2 && actor_random(&actor, 2))
			sprint(&actor);
		domain = actor_domain(&actor, DOMAIN_UPDATED);
		account = &domain->accounts[actor.number];
		end_polled(account);
		update(&actor, account);
		if (actor_random(&actor, 1024) == 0)
			barrier(&actor, account);
	}
	for (unsigned int i = 0; i < srcu_torture.nr_domains; i++) {
		domain = &srcu_torture.domains[i];
		if (domain->kind != DOMAIN_POLLED)
			finish(&actor, &domain->accounts[actor.number]);
	}
	actor_done(&actor);
	return NULL;
}
