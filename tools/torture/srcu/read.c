// SPDX-License-Identifier: MIT
/* Readers of the SRCU torture. */
#include <sched.h>
#include <stdlib.h>

#include "tools/belfry/common/sleep.h"
#include "torture_srcu.h"

/* Larger than the caches: stores that miss keep the store buffer full. */
#define COLD_BYTES (64UL << 20)
#define COLD_WORDS (COLD_BYTES / sizeof(uint64_t))

#define NR_MAILBOXES 8

/* A section that another thread ends. */
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
 * A missing fence shows only while the store before it is in the store buffer.
 * The buffer drains within nanoseconds, unless older stores miss the caches.
 */
static void fill_store_buffer(struct torture_thread *self, unsigned int n)
{
	pthread_once(&cold_once, cold_init);
	while (cold && n--)
		__atomic_store_n(&cold[thread_random(self, COLD_WORDS)], n,
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

static struct object *look_up(struct torture_thread *self,
			      struct domain *domain, unsigned int *generation)
{
	unsigned int writer = thread_random(self, srcu_torture.nr_writers);
	unsigned int cell = thread_random(self, NR_CELLS);
	struct account *account = &domain->accounts[writer];
	struct object *object =
		srcu_dereference(account->cells[cell], domain->srcu);

	*generation = __atomic_load_n(&object->generation, __ATOMIC_RELAXED);
	check_object(domain, object, *generation);
	return object;
}

static void read_section(struct torture_thread *self, struct domain *domain,
			 unsigned int depth);

/*
 * Nests a section of any domain.  Inside a brisk domain it is one of the same
 * domain, because sections of others may sleep.
 */
static void nest(struct torture_thread *self, struct domain *domain,
		 unsigned int depth)
{
	struct domain *inner =
		&srcu_torture
			 .domains[thread_random(self, srcu_torture.nr_domains)];

	self->tallies[TALLY_NESTED]++;
	read_section(self, domain->kind == DOMAIN_BRISK ? domain : inner,
		     depth + 1);
}

static void take_a_break(struct torture_thread *self, unsigned int dice)
{
	if (dice % 4) {
		sched_yield();
		return;
	}
	sleep_us(thread_random(self, 1000));
	self->tallies[TALLY_SLEPT]++;
}

/* Stays inside: mostly briefly, sometimes for long. */
static void dwell(struct torture_thread *self, struct domain *domain,
		  unsigned int depth)
{
	unsigned int dice = thread_random(self, 4096);

	if (dice < 8 && domain->kind != DOMAIN_BRISK)
		take_a_break(self, dice);
	else if (dice < 256 && depth < 4)
		nest(self, domain, depth);
	else if (dice < 1024)
		for (volatile unsigned int i = dice; i; i--)
			;
}

/*
 * A grace period that ends early is certainly detected if the reader counts
 * itself in its object.  The count is a fence, so most readers do not.
 */
static void dwell_counted(struct torture_thread *self, struct domain *domain,
			  struct object *object, unsigned int depth)
{
	bool counted = thread_random(self, 16) == 0;

	if (counted)
		__atomic_fetch_add(&object->readers, 1, __ATOMIC_RELAXED);
	dwell(self, domain, depth);
	if (counted)
		__atomic_fetch_sub(&object->readers, 1, __ATOMIC_RELEASE);
}

static void read_section(struct torture_thread *self, struct domain *domain,
			 unsigned int depth)
{
	struct object *object;
	unsigned int generation;
	struct section section = section_enter(domain->srcu, domain->fast);

	thread_does(self, "reads", domain->name);
	object = look_up(self, domain, &generation);
	dwell_counted(self, domain, object, depth);
	check_object(domain, object, generation);
	section_leave(section);
	self->tallies[TALLY_SECTIONS]++;
}

static void open_parcel(struct parcel *parcel)
{
	if (!parcel)
		return;
	check_object(parcel->domain, parcel->object, parcel->generation);
	srcu_up_read(parcel->domain->srcu, parcel->idx);
	free(parcel);
}

/* Begins a section for another thread, and ends one of another thread. */
static void hand_over(struct torture_thread *self, struct domain *domain)
{
	unsigned int box = thread_random(self, NR_MAILBOXES);
	struct parcel *parcel = malloc(sizeof(*parcel));

	if (!parcel)
		return;
	parcel->domain = domain;
	parcel->idx = srcu_down_read(domain->srcu);
	parcel->object = look_up(self, domain, &parcel->generation);
	open_parcel(
		__atomic_exchange_n(&mailboxes[box], parcel, __ATOMIC_ACQ_REL));
	self->tallies[TALLY_HANDED_OVER]++;
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

static void read_something(struct torture_thread *self)
{
	unsigned int i = thread_random(self, srcu_torture.nr_domains);
	struct domain *domain = &srcu_torture.domains[i];
	unsigned int dice = thread_random(self, 1024);

	if (dice < 512)
		fill_store_buffer(self, 8 + dice % 32);
	if (dice % 32 == 1)
		empty_mailbox(dice / 32 % NR_MAILBOXES);
	if (dice % 256 == 0 && domain->kind != DOMAIN_BRISK)
		hand_over(self, domain);
	else
		read_section(self, domain, 0);
}

/*
 * Many short sections on the objects that sprinting writers replace, each
 * behind stores that miss the caches.  They detect a missing fence.
 */
static void sprint(struct torture_thread *self)
{
	struct domain *domain = thread_domain(self, DOMAIN_BRISK);
	unsigned int writer = thread_random(self, srcu_torture.nr_writers);
	struct object **cell = &domain->accounts[writer].cells[0];
	struct object *object;
	struct section section;

	thread_does(self, "reads", domain->name);
	for (int i = 0; i < SPRINT; i++) {
		fill_store_buffer(self, 8);
		section = section_enter(domain->srcu, domain->fast);
		object = srcu_dereference(*cell, domain->srcu);
		check_object(domain, object, object->generation);
		section_leave(section);
	}
	self->tallies[TALLY_SECTIONS] += SPRINT;
}

void *reader_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, THREAD_READER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		if (self.number % 2)
			sprint(&self);
		else
			read_something(&self);
	}
	thread_done(&self);
	return NULL;
}

/* A thread that reads a little and exits. */
static void *passer_by(void *number)
{
	struct torture_thread self;

	thread_init(&self, THREAD_PASSER_BY, (unsigned int)(uintptr_t)number);
	for (unsigned int i = thread_random(&self, 100); i; i--)
		read_something(&self);
	thread_done(&self);
	return NULL;
}

void *spawner_main(void *number)
{
	struct torture_thread self;
	pthread_t thread;

	thread_init(&self, THREAD_SPAWNER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		uintptr_t n = ++self.tallies[TALLY_THREADS];

		thread_does(&self, "waits for a passer-by", NULL);
		if (!pthread_create(&thread, NULL, passer_by, (void *)n))
			pthread_join(thread, NULL);
		sleep_us(thread_random(&self, 2000));
	}
	thread_done(&self);
	return NULL;
}
