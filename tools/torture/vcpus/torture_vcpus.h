/* SPDX-License-Identifier: MIT */
/*
 * What the parts of `belfry torture vcpus` share.
 *
 * Writers create and remove vCPUs, whose memory they use again under another
 * generation; the release function poisons it.  Whoever finds a vCPU looks at
 * it at the beginning and at the end of a section: it must be the same and
 * alive.  Ids are either one writer's, who waits for their removal too, or
 * everybody's, who then removes what he found by a lookup.
 */
#ifndef BF_CLI_TORTURE_VCPUS_H
#define BF_CLI_TORTURE_VCPUS_H

#include "belfry/vcpus.h"
#include "tools/torture/common/actor.h"
#include "tools/torture/common/section.h"

#define OWN_IDS	   64 /* of a writer */
#define SHARED_IDS 64
#define NR_SPARES  256 /* of a writer in a table: what callbacks can hold */

/* Sparse, so that the tree of ids is of more than one node. */
#define ID_STRIDE 37

enum vcpu_state {
	VCPU_LIVE = 0x600d0b1e,
	VCPU_POISON = 0xdeadbeef,
};

struct table;
struct account;

struct vcpu {
	struct bf_vcpus_entry entry;
	struct vcpu *next; /* in a list of free ones */
	struct account *account;
	unsigned int state;
	unsigned int generation;
	unsigned int readers;	/* those inside */
	unsigned int exclusive; /* written under the vCPU's lock alone */
};

/* What one writer has in one table. */
struct account {
	struct table *table;
	struct vcpu *own[OWN_IDS]; /* online, under the writer's own ids */
	struct vcpu *all;	   /* the memory */
	struct vcpu *free;
	struct vcpu *returned; /* by release functions; a stack */
	unsigned long published;
	unsigned long released;
};

struct table {
	const char *name;
	unsigned int flags;
	bool fast;		  /* readers of its domain */
	struct srcu_struct *srcu; /* NULL: the table's own */
	struct bf_vcpus *vcpus;
	struct account *accounts; /* one a writer */
};

/* What happened, for the summary. */
enum vcpus_tally {
	VCPUS_CREATED,
	VCPUS_CANCELLED,
	VCPUS_REFUSED,
	VCPUS_REMOVED,
	VCPUS_REMOVED_ASYNC,
	VCPUS_FOUND,
	VCPUS_ITERATIONS,
	VCPUS_VISITED,
	VCPUS_KICKED,
	VCPUS_LOCKED,
	VCPUS_LOCKED_ALL,
	VCPUS_NOT_LOCKED_ALL,
	NR_VCPUS_TALLIES,
};

struct vcpus_torture {
	unsigned long nr_readers, nr_writers;
};

extern struct vcpus_torture vcpus_torture;

enum vcpus_actor_kind {
	VCPUS_READER,
	VCPUS_WRITER,
	VCPUS_MAIN,
	NR_VCPUS_ACTORS,
};

struct table *vcpus_random_table(struct actor *actor);
/* One of everybody's ids, or of the writers'. */
uint64_t vcpus_random_id(struct actor *actor);
uint64_t vcpus_shared_id(unsigned int n);
uint64_t vcpus_own_id(unsigned int writer, unsigned int n);

struct section table_enter(struct table *table);

/* The memory of vCPUs. */
extern const struct bf_vcpus_ops vcpu_ops;

void vcpu_account_init(struct account *account, struct table *table);
void vcpu_account_free(struct account *account);
/* A live one of a new generation; NULL while all are being removed. */
struct vcpu *vcpu_get(struct account *account);
/* One that was never published. */
void vcpu_put(struct vcpu *vcpu);

struct vcpu *vcpu_of(struct bf_vcpus_entry *entry);
unsigned int vcpu_generation(const struct vcpu *vcpu);
/* In a section, or with it locked in one: alive, of that generation? */
void vcpu_check(struct vcpu *vcpu, unsigned int generation);
/* Looks at it, counted, for a while. */
void vcpu_dwell(struct actor *actor, struct vcpu *vcpu);

/* Threads: of a number. */
void *vcpus_reader_main(void *number);
void *vcpus_writer_main(void *number);

#endif
