/* SPDX-License-Identifier: MIT */
/* The same VM operations made plainly and through belfry, and their rows. */
#ifndef BF_CLI_STALL_H
#define BF_CLI_STALL_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"
#include "samples.h"

struct bf_vm;
struct bf_vcpu;

/* A VM under test.  All calls return 0 or a negative errno. */
struct stall_vm {
	const struct stall_way *way;
	struct bf_vm *vm;
	struct bf_vcpu *vcpu;
	int fd;
	int vcpu_fd;
	const int *eventfds; /* one for each of as many doorbells */
};

#define STALL_DOORBELLS 64

/* One way of making the calls. */
struct stall_way {
	int (*create)(struct stall_vm *vm);
	int (*doorbell)(struct stall_vm *vm, unsigned int nth, bool remove);
	int (*memory)(struct stall_vm *vm, unsigned int slot);
	int (*vcpu)(struct stall_vm *vm);
	void (*close)(struct stall_vm *vm);
};

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

/* stall_ring.c: a measure of struct stall_row. */
int stall_measure_ring(const struct stall_row *row, struct stall_samples *out);

/* New eventfds.  0 or a negative errno. */
int stall_open_eventfds(int eventfds[STALL_DOORBELLS]);
void stall_close_eventfds(const int eventfds[STALL_DOORBELLS]);

/* Doorbells from a VM's first on. */
int stall_assign(struct stall_vm *vm, unsigned int first, unsigned int count);

#endif
