// SPDX-License-Identifier: MIT
/* Writers of the SRCU torture: every way to free an object. */
#include "torture_srcu.h"

static void end_sync(struct torture_thread *self, struct object *old)
{
	struct domain *domain = old->account->domain;

	thread_does(self, "synchronize_srcu", domain->name);
	synchronize_srcu(domain->srcu);
	object_end(old);
	self->tallies[TALLY_SYNC]++;
}

static void end_expedited(struct torture_thread *self, struct object *old)
{
	struct domain *domain = old->account->domain;

	thread_does(self, "synchronize_srcu_expedited", domain->name);
	synchronize_srcu_expedited(domain->srcu);
	object_end(old);
	self->tallies[TALLY_SYNC_EXPEDITED]++;
}

static enum object_then then(struct torture_thread *self)
{
	unsigned int dice = thread_random(self, 256);

	if (dice >= 34)
		return OBJECT_PUT;
	if (dice >= 2)
		return OBJECT_AGAIN;
	return dice ? OBJECT_WAIT : OBJECT_WAIT_OTHER;
}

static void end_call(struct torture_thread *self, struct object *old)
{
	struct account *account = old->account;

	old->order = account->queued++;
	old->then = then(self);
	if (old->then == OBJECT_WAIT_OTHER)
		old->other = thread_domain(self, DOMAIN_UPDATED);
	thread_does(self, "call_srcu", account->domain->name);
	if (thread_random(self, 2))
		call_srcu(account->domain->srcu, &old->head, object_called);
	else
		call_srcu_expedited(account->domain->srcu, &old->head,
				    object_called);
	self->tallies[TALLY_CALLBACKS]++;
}

/* Ends the objects whose cookies are over. */
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

static void end_poll(struct torture_thread *self, struct object *old)
{
	struct account *account = old->account;
	struct srcu_struct *srcu = account->domain->srcu;

	old->cookie = thread_random(self, 2) ?
			      get_state_synchronize_srcu(srcu) :
			      start_poll_synchronize_srcu(srcu);
	old->next = account->polled;
	account->polled = old;
	self->tallies[TALLY_POLLED]++;
}

static void expedite(struct torture_thread *self, struct object *old)
{
	end_call(self, old);
	srcu_expedite_current(old->account->domain->srcu);
}

/* The callbacks that this writer queued must have been called. */
static void barrier(struct torture_thread *self, struct account *account)
{
	unsigned long run;

	thread_does(self, "srcu_barrier", account->domain->name);
	srcu_barrier(account->domain->srcu);
	run = __atomic_load_n(&account->run, __ATOMIC_ACQUIRE);
	if (run != account->queued)
		torture_fail("%s: a barrier returned before %lu of %lu "
			     "callbacks",
			     account->domain->name, account->queued - run,
			     account->queued);
	self->tallies[TALLY_BARRIERS]++;
}

static const struct {
	unsigned int percent;
	void (*end)(struct torture_thread *self, struct object *old);
} ends[] = {
	{1, end_sync},	{9, end_expedited}, {60, end_call},
	{28, end_poll}, {2, expedite},
};

static void update(struct torture_thread *self, struct account *account)
{
	unsigned int i = 0, dice = thread_random(self, 100);
	struct object *new = account_get(account);

	if (!new) {
		barrier(self, account);
		end_polled(account);
		return;
	}
	while (dice >= ends[i].percent)
		dice -= ends[i++].percent;
	ends[i].end(self, account_replace(self, account, new));
}

/* Short grace periods, one after the other: see sprint() of the readers. */
static void sprint(struct torture_thread *self)
{
	struct domain *domain = thread_domain(self, DOMAIN_BRISK);
	struct account *account = &domain->accounts[self->number];
	struct object *old, *new;

	for (int i = 0; i < SPRINT && !torture_stopped(); i++) {
		new = account_get(account);
		if (!new)
			return;
		old = account->cells[0];
		srcu_assign_pointer(account->cells[0], new);
		end_expedited(self, old);
	}
}

/* Ends the polled objects after a grace period of this thread. */
static void finish(struct torture_thread *self, struct account *account)
{
	thread_does(self, "synchronize_srcu_expedited", account->domain->name);
	synchronize_srcu_expedited(account->domain->srcu);
	end_polled(account);
	if (account->polled)
		torture_fail("%s: a cookie was not over after a whole grace "
			     "period",
			     account->domain->name);
	barrier(self, account);
}

void *writer_main(void *number)
{
	struct torture_thread self;
	struct domain *domain;
	struct account *account;

	thread_init(&self, THREAD_WRITER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		if (self.number % 2 && thread_random(&self, 2))
			sprint(&self);
		domain = thread_domain(&self, DOMAIN_UPDATED);
		account = &domain->accounts[self.number];
		end_polled(account);
		update(&self, account);
		if (thread_random(&self, 1024) == 0)
			barrier(&self, account);
	}
	for (unsigned int i = 0; i < srcu_torture.nr_domains; i++) {
		domain = &srcu_torture.domains[i];
		if (domain->kind != DOMAIN_POLLED)
			finish(&self, &domain->accounts[self.number]);
	}
	thread_done(&self);
	return NULL;
}
