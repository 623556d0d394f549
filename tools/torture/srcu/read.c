// SPDX-License-Identifier: MIT
/* Readers of the SRCU torture. */
#include <sched.h>
#include <stdlib.h>

#include "tools/belfry/common/sleep.h"
#include "torture_srcu.h"

/* More than the caches hold: stores that miss keep the store buffer full. */
#define COLD_BYTES (64UL << 20)
#define COLD_WORDS (COLD_BYTES / sizeof(uint64_t))

#define NR_MAILBOXES 8

/* A section that another thread will end. */
struct parcel {
	struct domain *domain;
	struct object *object;
	unsigned int generation;
	int idx;
};

static struct parcel *mailboxes[NR_MAILBOXES];
static uint64_t *cold;
static pthread_once_t cold_once = PTHREAD_ONCE_INIT;

static void cold_init(void)
{
	cold = calloc(COLD_WORDS, sizeof(*cold));
}

/*
 * A missing fence shows only while what stands before it is in the store
 * buffer, which is empty within nanoseconds unless older stores miss.
 */
static void fill_store_buffer(struct actor *actor, unsigned int n)
{
	pthread_once(&cold_once, cold_init);
	while (cold && n--)
		__atomic_store_n(&cold[actor_random(actor, COLD_WORDS)], n,
				 __ATOMIC_RELAXED);
}

static void check_object(const struct domain *domain, struct object *object,
			 unsigned int generation)
{
	unsigned int state = __atomic_load_n(&object->state, __ATOMIC_RELAXED);
	unsigned int now =
		__atomic_load_n(&object->generation, __ATOMIC_RELAXED);

	if (state != OBJECT_LIVE)
		torture_fail("%s: use after free: a reader found poison",
			     domain->name);
	else if (now != generation)
		torture_fail("%s: use after free: a reader found another "
			     "object in its place",
			     domain->name);
}

static struct object *look_up(struct actor *actor, struct domain *domain,
			      unsigned int *generation)
{
	unsigned int writer = actor_random(actor, srcu_torture.nr_writers);
	unsigned int cell = actor_random(actor, NR_CELLS);
	struct account *account = &domain->accounts[writer];
	struct object *object =
		srcu_dereference(account->cells[cell], domain->srcu);

	*generation = __atomic_load_n(&object->generation, __ATOMIC_RELAXED);
	check_object(domain, object, *generation);
	return object;
}

static void read_section(struct actor *actor, struct domain *domain,
			 unsigned int depth);

/* Inside of this one, or of another: one where nobody sleeps holds nobody up. */
static void nest(struct actor *actor, struct domain *domain, unsigned int depth)
{
	struct domain *inner =
		&srcu_torture
			 .domains[actor_random(actor, srcu_torture.nr_domains)];

	actor->tallies[TALLY_NESTED]++;
	read_section(actor, domain->kind == DOMAIN_BRISK ? domain : inner,
		     depth + 1);
}

static void take_a_break(struct actor *actor, unsigned int dice)
{
	if (dice % 4) {
		sched_yield();
		return;
	}
	sleep_us(actor_random(actor, 1000));
	actor->tallies[TALLY_SLEPT]++;
}

/* What a reader does inside: mostly little, sometimes for long. */
static void dwell(struct actor *actor, struct domain *domain,
		  unsigned int depth)
{
	unsigned int dice = actor_random(actor, 4096);

	if (dice < 8 && domain->kind != DOMAIN_BRISK)
		take_a_break(actor, dice);
	else if (dice < 256 && depth < 4)
		nest(actor, domain, depth);
	else if (dice < 1024)
		for (volatile unsigned int i = dice; i; i--)
			;
}

/*
 * A reader that is counted in its object makes an early end certain to be
 * noticed; but the count is a fence, so most readers go without.
 */
static void dwell_counted(struct actor *actor, struct domain *domain,
			  struct object *object, unsigned int depth)
{
	bool counted = actor_random(actor, 16) == 0;

	if (counted)
		__atomic_fetch_add(&object->readers, 1, __ATOMIC_RELAXED);
	dwell(actor, domain, depth);
	if (counted)
		__atomic_fetch_sub(&object->readers, 1, __ATOMIC_RELEASE);
}

static void read_section(struct actor *actor, struct domain *domain,
			 unsigned int depth)
{
	struct object *object;
	unsigned int generation;
	struct section section = section_enter(domain->srcu, domain->fast);

	actor_does(actor, "reads", domain->name);
	object = look_up(actor, domain, &generation);
	dwell_counted(actor, domain, object, depth);
	check_object(domain, object, generation);
	section_leave(section);
	actor->tallies[TALLY_SECTIONS]++;
}

static void open_parcel(struct parcel *parcel)
{
	if (!parcel)
		return;
	check_object(parcel->domain, parcel->object, parcel->generation);
	srcu_up_read(parcel->domain->srcu, parcel->idx);
	free(parcel);
}

/* Begins a section for somebody else, and ends one that somebody began. */
static void hand_over(struct actor *actor, struct domain *domain)
{
	unsigned int box = actor_random(actor, NR_MAILBOXES);
	struct parcel *parcel = malloc(sizeof(*parcel));

	if (!parcel)
		return;
	parcel->domain = domain;
	parcel->idx = srcu_down_read(domain->srcu);
	parcel->object = look_up(actor, domain, &parcel->generation);
	open_parcel(
		__atomic_exchange_n(&mailboxes[box], parcel, __ATOMIC_ACQ_REL));
	actor->tallies[TALLY_HANDED_OVER]++;
}

static void empty_mailbox(unsigned int box)
{
	if (__atomic_load_n(&mailboxes[box], __ATOMIC_RELAXED))
		open_parcel(__atomic_exchange_n(&mailboxes[box], NULL,
						__ATOMIC_ACQ_REL));
}

void reader_drain(void)
{
	for (unsigned int i = 0; i < NR_MAILBOXES; i++)
		empty_mailbox(i);
}

static void read_something(struct actor *actor)
{
	unsigned int i = actor_random(actor, srcu_torture.nr_domains);
	struct domain *domain = &srcu_torture.domains[i];
	unsigned int dice = actor_random(actor, 1024);

	if (dice < 512)
		fill_store_buffer(actor, 8 + dice % 32);
	if (dice % 32 == 1)
		empty_mailbox(dice / 32 % NR_MAILBOXES);
	if (dice % 256 == 0 && domain->kind != DOMAIN_BRISK)
		hand_over(actor, domain);
	else
		read_section(actor, domain, 0);
}

/*
 * Many short sections on what the sprinting writers replace, each behind
 * stores that miss: this is where a fence that is not there is noticed.
 */
static void sprint(struct actor *actor)
{
	struct domain *domain = actor_domain(actor, DOMAIN_BRISK);
	unsigned int writer = actor_random(actor, srcu_torture.nr_writers);
	struct object **cell = &domain->accounts[writer].cells[0];
	struct object *object;
	struct section section;

	actor_does(actor, "reads", domain->name);
	for (int i = 0; i < SPRINT; i++) {
		fill_store_buffer(actor, 8);
		section = section_enter(domain->srcu, domain->fast);
		object = srcu_dereference(*cell, domain->srcu);
		check_object(domain, object, object->generation);
		section_leave(section);
	}
	actor->tallies[TALLY_SECTIONS] += SPRINT;
}

void *reader_main(void *number)
{
	struct actor actor;

	actor_init(&actor, ACTOR_READER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		if (actor.number % 2)
			sprint(&actor);
		else
			read_something(&actor);
	}
	actor_done(&actor);
	return NULL;
}

/* A thread that comes, reads a little and exits. */
static void *passer_by(void *number)
{
	struct actor actor;

	actor_init(&actor, ACTOR_PASSER_BY, (unsigned int)(uintptr_t)number);
	for (unsigned int i = actor_random(&actor, 100); i; i--)
		read_something(&actor);
	actor_done(&actor);
	return NULL;
}

void *spawner_main(void *number)
{
	struct actor actor;
	pthread_t thread;

	actor_init(&actor, ACTOR_SPAWNER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		uintptr_t n = ++actor.tallies[TALLY_THREADS];

		actor_does(&actor, "waits for a passer-by", NULL);
		if (!pthread_create(&thread, NULL, passer_by, (void *)n))
			pthread_join(thread, NULL);
		sleep_us(actor_random(&actor, 2000));
	}
	actor_done(&actor);
	return NULL;
}
