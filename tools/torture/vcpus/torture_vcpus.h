/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the files of `belfry torture vcpus` share.
 *
 * Writers create and remove vCPUs.  The release function poisons a vCPU, and a
 * writer uses its memory again under a new generation.  A reader checks a vCPU
 * after the lookup and before the end of its section: it must be alive and of
 * the same generation.
 *
 * A private id belongs to one writer, which also removes its vCPU and may wait
 * for that.  A shared id belongs to all writers: any of them creates its vCPU,
 * or looks it up and removes it.
 */
#ifndef BF_CLI_TORTURE_VCPUS_H
#define BF_CLI_TORTURE_VCPUS_H

#include "belfry/vcpus.h"
#include "tools/torture/common/thread.h"
#include "tools/torture/common/section.h"

#define PRIVATE_IDS 64 /* of each writer */
#define SHARED_IDS  64
#define NR_SPARES   256 /* vCPUs of a pool; callbacks may hold many */

/* Sparse, so that the tree of ids has several nodes. */
#define ID_STRIDE 37

enum vcpu_state {
	VCPU_LIVE = 0x600d0b1e,
	VCPU_POISON = 0xdeadbeef,
};

struct table;
struct pool;

struct vcpu {
	struct bf_vcpu_entry entry;
	struct vcpu *next; /* in a list of the pool */
	struct pool *pool;
	unsigned int state;
	unsigned int generation;
	unsigned int readers;	/* counted ones that use it */
	unsigned int exclusive; /* protected by the vCPU's lock */
};

/* The vCPUs of one writer for one table. */
struct pool {
	struct table *table;
	struct vcpu *private[PRIVATE_IDS]; /* online, by private id */
	struct vcpu *all;		   /* array of NR_SPARES */
	struct vcpu *free;
	struct vcpu *returned; /* by release functions; a stack */
	unsigned long published;
	unsigned long released;
};

struct table {
	const char *name;
	unsigned int flags;
	bool fast;		  /* flavour of its readers */
	struct srcu_struct *srcu; /* NULL: made by the table */
	struct bf_vcpus *vcpus;
	struct pool *pools; /* one for each writer */
};

/* Indices of torture.tallies. */
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

enum vcpus_thread_kind {
	VCPUS_READER,
	VCPUS_WRITER,
	VCPUS_MAIN,
	NR_VCPUS_THREADS,
};

struct table *vcpus_random_table(struct torture_thread *self);
/* A shared or a private id. */
uint64_t vcpus_random_id(struct torture_thread *self);
uint64_t vcpus_shared_id(unsigned int n);
uint64_t vcpus_private_id(unsigned int writer, unsigned int n);

struct section table_enter(struct table *table);

/* The memory of vCPUs. */
extern const struct bf_vcpu_entry_ops vcpu_ops;

void vcpu_pool_init(struct pool *pool, struct table *table);
void vcpu_pool_free(struct pool *pool);
/* Allocates a vCPU of a new generation; NULL while none is free. */
struct vcpu *vcpu_get(struct pool *pool);
/* Frees a vCPU that was never published. */
void vcpu_put(struct vcpu *vcpu);

struct vcpu *vcpu_of(struct bf_vcpu_entry *entry);
unsigned int vcpu_generation(const struct vcpu *vcpu);
/* Checks that the vCPU is alive and of that generation. */
void vcpu_check(struct vcpu *vcpu, unsigned int generation);
/* Uses the vCPU for some time, with checks before and after. */
void vcpu_dwell(struct torture_thread *self, struct vcpu *vcpu);

/* Thread functions; the argument is the thread's number. */
void *vcpus_reader_main(void *number);
void *vcpus_writer_main(void *number);

#endif
