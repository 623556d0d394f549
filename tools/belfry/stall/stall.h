/* SPDX-License-Identifier: MIT */
/* The same VM operations made plainly and through belfry, and their rows. */
#ifndef BF_CLI_STALL_H
#define BF_CLI_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"
#include "tools/belfry/common/samples.h"

struct bf_vm;
struct bf_vcpu;

#define STALL_VCPUS	64
#define STALL_DOORBELLS 64
#define STALL_NS	1000000 /* a call that takes as long has stalled */

/* A VM under test.  All calls return 0 or a negative errno. */
struct stall_vm {
	const struct stall_way *way;
	bool created;
	const int *eventfds; /* STALL_DOORBELLS, which doorbells take in turn */
	/* Through belfry. */
	struct bf_vm *vm;
	struct bf_vcpu *vcpus[STALL_VCPUS];
	/* Plainly; -1: not there. */
	int fd;
	int vcpu_fds[STALL_VCPUS];
};

/* One way of making the calls. */
struct stall_way {
	int (*create)(struct stall_vm *vm);
	int (*doorbell)(struct stall_vm *vm, unsigned int nth, bool remove);
	int (*memory)(struct stall_vm *vm, unsigned int slot, bool remove);
	int (*vcpu)(struct stall_vm *vm, unsigned int id);
	int (*close_vcpu)(struct stall_vm *vm, unsigned int id);
	/* With the vCPUs that are left. */
	void (*close)(struct stall_vm *vm);
};

void stall_vm_init(struct stall_vm *vm, const struct stall_way *way,
		   const int *eventfds);

extern const struct stall_way stall_plain;  /* ioctls on /dev/kvm */
extern const struct stall_way stall_belfry; /* belfry/vm.h, lazy */

/* Plain, through belfry, and plain without what belfry defers. */
struct stall_samples {
	struct samples plain;
	struct samples belfry;
	struct samples alone; /* may be empty */
};

struct stall_row {
	const char *name;
	const char *unit;
	/* Adds a sample, or more, of each kind.  0 or a negative errno. */
	int (*measure)(const struct stall_row *row, struct stall_samples *out);
	const void *arg; /* for measure */
	bool more_is_better;
	unsigned long at_most; /* times; 0: as often as asked */
	const char *goal;      /* may be NULL */
	bool (*met)(double plain, double belfry, double alone);
};

/* Of the VMs that go through belfry. */
extern enum bf_policy stall_policy;

/* All rows; the last has no name. */
extern const struct stall_row stall_sequences[]; /* stall_sequences.c */
extern const struct stall_row stall_fleets[];	 /* stall_fleet.c */
extern const struct stall_row stall_overheads[]; /* stall_overhead.c */
extern const struct stall_row stall_wholes[];	 /* stall_whole.c */

/* stall_ring.c: a measure of struct stall_row. */
int stall_measure_ring(const struct stall_row *row, struct stall_samples *out);

/* New eventfds.  0 or a negative errno. */
int stall_open_eventfds(int eventfds[STALL_DOORBELLS]);
void stall_close_eventfds(const int eventfds[STALL_DOORBELLS]);

/* Calls measure with as many new eventfds; as struct stall_row. */
int stall_with_eventfds(const struct stall_row *row, struct stall_samples *out,
			int (*measure)(const struct stall_row *row,
				       const int *eventfds,
				       struct stall_samples *out));

/* Doorbells from a VM's first on. */
int stall_assign(struct stall_vm *vm, unsigned int first, unsigned int count);

#endif
