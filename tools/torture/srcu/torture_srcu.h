/* SPDX-License-Identifier: MIT */
/*
 * Every domain has a few cells, each with a published object.  A writer owns
 * some cells and publishes new objects there.  After a grace period, which it
 * awaits in one of all possible ways, it poisons the old object, and later uses
 * it again with another generation.  A reader checks an object at the beginning
 * and at the end of a section: it must be the same and alive.
 */
#ifndef BF_CLI_TORTURE_SRCU_H
#define BF_CLI_TORTURE_SRCU_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/srcu.h"
#include "tools/torture/common/thread.h"
#include "tools/torture/common/section.h"

#define NR_CELLS      4	   /* of a writer in a domain */
#define SPRINT	      1000 /* short sections, or updates, in a row */
#define NR_TRANSIENTS 2	   /* threads that create and clean up domains */

enum object_state {
	OBJECT_LIVE = 0x600d0b1e,
	OBJECT_POISON = 0xdeadbeef,
};

struct domain;
struct account;

/* The next step of a callback that retired its object. */
enum object_then {
	OBJECT_PUT,
	OBJECT_AGAIN,	   /* queue it once more */
	OBJECT_WAIT,	   /* wait for a grace period of its domain */
	OBJECT_WAIT_OTHER, /* ... of another domain */
};

struct object {
	struct srcu_head head;
	struct object *next; /* in a list of free ones */
	struct account *account;
	unsigned int state;
	unsigned int generation;
	unsigned int readers; /* inside, as far as they count themselves */
	enum object_then then;
	struct domain *other; /* of OBJECT_WAIT_OTHER */
	unsigned long order;  /* among the callbacks of its account */
	unsigned long cookie; /* of a polled grace period */
};

/* The objects of one writer in one domain. */
struct account {
	struct domain *domain;
	struct object *cells[NR_CELLS]; /* published */
	struct object *free;		/* only the writer uses it */
	struct object *returned;	/* a stack; callbacks push */
	struct object *polled;		/* until the cookie is over */
	unsigned long queued;		/* callbacks of the writer */
	unsigned long run;		/* those that were called */
	unsigned long requeued;		/* callbacks of callbacks */
	unsigned long rerun;
};

enum domain_kind {
	DOMAIN_COMMON = 1,
	DOMAIN_BRISK = 2,  /* no reader sleeps: short grace periods */
	DOMAIN_POLLED = 4, /* only the poller requests grace periods */
	DOMAIN_UPDATED = DOMAIN_COMMON | DOMAIN_BRISK, /* by the writers */
};

struct domain {
	struct srcu_struct *srcu;
	const char *name;
	bool fast;
	enum domain_kind kind;
	struct account *accounts; /* one a writer */
};

/* The counts of the summary. */
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
	bool child; /* of a fork: the objects belong to the parent */
};

extern struct srcu_torture srcu_torture;

enum thread_kind {
	THREAD_READER,
	THREAD_PASSER_BY,
	THREAD_SPAWNER,
	THREAD_WRITER,
	THREAD_POLLER,
	THREAD_TRANSIENT,
	THREAD_FORKER,
	THREAD_CALLBACK, /* the library's worker, while a callback waits */
	THREAD_MAIN,
	NR_THREAD_KINDS,
};

/* Returns a random domain of one of the kinds. */
struct domain *thread_domain(struct torture_thread *self, unsigned int kinds);

void account_init(struct account *account, struct domain *domain);
void account_free(struct account *account);
struct object *account_get(struct account *account);
/* Publishes the new object and returns the old one, for object_end(). */
struct object *account_replace(struct torture_thread *self,
			       struct account *account, struct object *new);
/* Poisons the object, a grace period after it was unpublished. */
void object_retire(struct object *object);
void object_put(struct object *object);
/* object_retire() and object_put(). */
void object_end(struct object *object);
/* The same as a callback. */
void object_called(struct srcu_head *head);

/* The threads; the argument is a number. */
void *reader_main(void *number);
void *spawner_main(void *number);
void *writer_main(void *number);
void *poller_main(void *number);
void *transient_main(void *number);
void *forker_main(void *number);
/* Around the torture: the status of callbacks that wait. */
void callbacks_begin(void);
void callbacks_end(void);
/* Ends the sections that are left in mailboxes. */
void reader_drain(void);

/* Returns the reason why the torture does not fork; NULL: it does. */
const char *forker_problem(void);

#endif
