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
#include "tools/torture/common/actor.h"
#include "tools/torture/common/section.h"

#define NR_CELLS      4	   /* of a writer in a domain */
#define SPRINT	      1000 /* short sections, or updates, in a row */
#define NR_TRANSIENTS 2	   /* threads that make domains of their own */

enum object_state {
	OBJECT_LIVE = 0x600d0b1e,
	OBJECT_POISON = 0xdeadbeef,
};

struct domain;
struct account;

/* What the callback of an object does when it has been retired. */
enum object_then {
	OBJECT_PUT,
	OBJECT_AGAIN,	   /* is queued once more */
	OBJECT_WAIT,	   /* waits for a grace period of its domain */
	OBJECT_WAIT_OTHER, /* ... of another domain */
};

struct object {
	struct srcu_head head;
	struct object *next; /* in a list of free ones */
	struct account *account;
	unsigned int state;
	unsigned int generation;
	unsigned int readers; /* some of those inside */
	enum object_then then;
	struct domain *other; /* of OBJECT_WAIT_OTHER */
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

enum domain_kind {
	DOMAIN_COMMON = 1,
	DOMAIN_BRISK = 2,  /* nobody sleeps inside: short grace periods */
	DOMAIN_POLLED = 4, /* nobody asks for grace periods but the poller */
	DOMAIN_UPDATED = DOMAIN_COMMON | DOMAIN_BRISK, /* by the writers */
};

struct domain {
	struct srcu_struct *srcu;
	const char *name;
	bool fast;
	enum domain_kind kind;
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
	TALLY_SELF_POLLED,
	TALLY_WAITED_IN_CALLBACK,
	TALLY_TRANSIENTS,
	TALLY_BUSY,
	TALLY_FORKS,
	NR_TALLIES,
};

struct srcu_torture {
	unsigned long nr_readers, nr_writers;
	struct domain *domains;
	unsigned int nr_domains;
	bool child; /* of a fork: the objects are the parent's */
};

extern struct srcu_torture srcu_torture;

enum actor_kind {
	ACTOR_READER,
	ACTOR_PASSER_BY,
	ACTOR_SPAWNER,
	ACTOR_WRITER,
	ACTOR_POLLER,
	ACTOR_TRANSIENT,
	ACTOR_FORKER,
	ACTOR_CALLBACK, /* the library's worker, while a callback waits */
	ACTOR_MAIN,
	NR_ACTOR_KINDS,
};

/* Any of the kinds. */
struct domain *actor_domain(struct actor *actor, unsigned int kinds);

/* Objects and their ends. */
void account_init(struct account *account, struct domain *domain);
void account_free(struct account *account);
struct object *account_get(struct account *account);
/* Publishes the new object; the old one is the caller's to end. */
struct object *account_replace(struct actor *actor, struct account *account,
			       struct object *new);
/* A grace period has passed since the object was unpublished. */
void object_retire(struct object *object);
void object_put(struct object *object);
/* Both. */
void object_end(struct object *object);
/* The same, as callbacks. */
void object_called(struct srcu_head *head);

/* Threads: void *(*)(void *) of a number. */
void *reader_main(void *number);
void *spawner_main(void *number);
void *writer_main(void *number);
void *poller_main(void *number);
void *transient_main(void *number);
void *forker_main(void *number);
/* Callbacks that wait do it as this actor. */
void callbacks_begin(void);
void callbacks_end(void);
/* Ends the sections that nobody came for. */
void reader_drain(void);

/* Why children are not forked here; NULL: they are. */
const char *forker_problem(void);

#endif
