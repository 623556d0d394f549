/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `belfry torture srcu` share.
 *
 * Every domain has a few cells, each with a published object.  A writer owns
 * some cells; it publishes fresh objects there, and the old one is poisoned
 * when a grace period has passed, in one of all the ways there are, and used
 * again later under another generation.  Readers look at an object at the
 * beginning and at the end of a section: it must be the same and alive.
 */
#ifndef BF_CLI_TORTURE_SRCU_H
#define BF_CLI_TORTURE_SRCU_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/srcu.h"
#include "torture_frame.h"

#define NR_CELLS 4    /* of a writer in a domain */
#define SPRINT	 1000 /* short sections, or updates, in a row */

enum object_state {
	OBJECT_LIVE = 0x600d0b1e,
	OBJECT_POISON = 0xdeadbeef,
};

struct cell;
struct account;

struct object {
	struct srcu_head head;
	struct object *next; /* in a list of free ones */
	struct account *account;
	unsigned int state;
	unsigned int generation;
	unsigned int readers; /* some of those inside */
	unsigned int lives;   /* callbacks that this one queues after itself */
	unsigned long order;  /* among the callbacks of its account */
	unsigned long cookie; /* of a polled grace period */
};

/* What one writer has in one domain. */
struct account {
	struct domain *domain;
	struct object *cells[NR_CELLS]; /* published */
	struct object *free;		/* the writer's own */
	struct object *returned;	/* by callbacks; a stack */
	struct object *polled;		/* waits for its cookie */
	unsigned long queued;		/* callbacks, by the writer */
	unsigned long run;		/* those that were called */
	unsigned long requeued;		/* by callbacks */
	unsigned long rerun;
};

struct domain {
	struct srcu_struct *srcu;
	const char *name;
	bool fast;
	bool brisk; /* nobody sleeps inside, so grace periods are short */
	struct account *accounts; /* one a writer */
};

/* What happened, for the summary. */
enum tally {
	TALLY_SECTIONS,
	TALLY_NESTED,
	TALLY_SLEPT,
	TALLY_HANDED_OVER,
	TALLY_THREADS,
	TALLY_SYNC,
	TALLY_SYNC_EXPEDITED,
	TALLY_CALLBACKS,
	TALLY_POLLED,
	TALLY_BARRIERS,
	NR_TALLIES,
};

struct srcu_torture {
	struct domain *domains;
	unsigned int nr_domains;
	unsigned long tallies[NR_TALLIES];
};

extern struct srcu_torture srcu_torture;

/* A thread of the torture: its own random numbers and its own tallies. */
struct actor {
	uint64_t random;
	unsigned int number;
	unsigned long tallies[NR_TALLIES];
};

enum actor_kind {
	ACTOR_READER,
	ACTOR_PASSER_BY,
	ACTOR_SPAWNER,
	ACTOR_WRITER,
};

/* A number below n that only the seed and the actor's history decide. */
unsigned int actor_random(struct actor *actor, unsigned int n);
void actor_init(struct actor *actor, enum actor_kind kind, unsigned int number);
/* One in which nobody sleeps. */
struct domain *actor_brisk_domain(struct actor *actor);
/* Adds its tallies to the torture's. */
void actor_done(struct actor *actor);

/* A section of either flavour. */
struct section {
	int idx;
	struct srcu_ctr *scp;
};

static inline struct section section_enter(struct domain *domain)
{
	struct section section = {0, NULL};

	if (domain->fast)
		section.scp = srcu_read_lock_fast(domain->srcu);
	else
		section.idx = srcu_read_lock(domain->srcu);
	return section;
}

static inline void section_leave(struct domain *domain, struct section section)
{
	if (domain->fast)
		srcu_read_unlock_fast(domain->srcu, section.scp);
	else
		srcu_read_unlock(domain->srcu, section.idx);
}

/* Objects and their ends. */
void account_init(struct account *account, struct domain *domain);
void account_free(struct account *account);
struct object *account_get(struct account *account);
/* A grace period has passed since the object was unpublished. */
void object_retire(struct object *object);
void object_put(struct object *object);
/* The same, as callbacks. */
void object_called(struct srcu_head *head);

/* Threads: void *(*)(void *) of a number. */
void *reader_main(void *number);
void *spawner_main(void *number);
void *writer_main(void *number);
/* Ends the sections that nobody came for. */
void reader_drain(void);

#endif
