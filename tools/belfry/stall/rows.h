/* SPDX-License-Identifier: MIT */
/* VM operations with two backends, and the rows that belfry stall measures. */
#ifndef BF_CLI_STALL_ROWS_H
#define BF_CLI_STALL_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "belfry/vm.h"
#include "tools/belfry/common/samples.h"

struct bf_vm;
struct bf_vcpu;

#define STALL_VCPUS	64
#define STALL_DOORBELLS 64
#define STALL_NS	1000000 /* a call of this duration has stalled */

/* A VM under test. */
struct stall_vm {
	const struct stall_backend *backend;
	bool created;
	const int
		*eventfds; /* STALL_DOORBELLS, shared out among the doorbells */
	/* With stall_belfry. */
	struct bf_vm *vm;
	struct bf_vcpu *vcpus[STALL_VCPUS];
	/* With stall_plain; -1 and MAP_FAILED where there is none. */
	int fd;
	int vcpu_fds[STALL_VCPUS];
	struct kvm_run *runs[STALL_VCPUS];
	int run_size; /* of each mapping, in bytes */
};

/* A way to make the calls.  Each returns 0 or a negative errno. */
struct stall_backend {
	int (*create)(struct stall_vm *vm);
	int (*doorbell)(struct stall_vm *vm, unsigned int nth, bool remove);
	int (*memory)(struct stall_vm *vm, unsigned int slot, bool remove);
	int (*vcpu)(struct stall_vm *vm, unsigned int id);
	int (*close_vcpu)(struct stall_vm *vm, unsigned int id);
	/* Close the VM and the vCPUs that still exist. */
	void (*close)(struct stall_vm *vm);
};

void stall_vm_init(struct stall_vm *vm, const struct stall_backend *backend,
		   const int *eventfds);

extern const struct stall_backend stall_plain;	/* ioctls on /dev/kvm */
extern const struct stall_backend stall_belfry; /* belfry/vm.h, lazy */

/*
 * alone: plain, without the doorbells that belfry defers.  module: plain, with
 * the kernel module switched on; it is off for all others.
 */
struct stall_samples {
	struct samples plain;
	struct samples module; /* empty if it is not switched */
	struct samples belfry;
	struct samples alone; /* empty if the row has no other calls */
};

struct stall_row {
	const char *name;
	const char *unit;
	/* Add one sample or more of each kind.  Returns 0 or a negative errno. */
	int (*measure)(const struct stall_row *row, struct stall_samples *out);
	const void *arg; /* for measure() */
	bool more_is_better;
	unsigned long at_most; /* measurements; 0: no limit but --count */
	double module_most;    /* goal, in times of alone; 0: none */
	const char *goal;      /* may be NULL */
	bool (*met)(double plain, double belfry, double alone);
};

/* The kinds that are measured besides plain and alone. */
struct stall_kinds {
	bool belfry;
	bool module;
};

extern struct stall_kinds stall_kinds;

/*
 * module.c: switch the kernel module off, until stall_module_restore() or the
 * end of the process by a signal.  Returns false if there is no module that can
 * be switched.
 */
bool stall_module_take(void);
void stall_module_restore(void);

/* A measurement with plain ioctls. */
typedef int (*stall_plain_fn)(const void *arg, const int *eventfds,
			      struct samples *samples);

/*
 * Call a function for out->plain, and with the module on for out->module; warm:
 * once more before each of the two.
 */
int stall_measure_plain(stall_plain_fn measure, bool warm, const void *arg,
			const int *eventfds, struct stall_samples *out);

/* The policy of VMs with stall_belfry. */
extern enum bf_policy stall_policy;

/* Lists of rows; each ends with a row that has no name. */
extern const struct stall_row stall_sequences[]; /* sequences.c */
extern const struct stall_row stall_many_vms[];	 /* many_vms.c */
extern const struct stall_row stall_overheads[]; /* overhead.c */
extern const struct stall_row stall_whole_vm[];	 /* whole_vm.c */

/* signal.c: measure() of a row. */
int stall_measure_signal(const struct stall_row *row,
			 struct stall_samples *out);

/* Open new eventfds.  Returns 0 or a negative errno. */
int stall_open_eventfds(int eventfds[STALL_DOORBELLS]);
void stall_close_eventfds(const int eventfds[STALL_DOORBELLS]);

/* Call measure() with new eventfds, which are closed afterwards. */
int stall_with_eventfds(const struct stall_row *row, struct stall_samples *out,
			int (*measure)(const struct stall_row *row,
				       const int *eventfds,
				       struct stall_samples *out));

/* A row's met(): belfry takes at most 1.5 times as long as alone. */
bool stall_is_half_more(double plain, double belfry, double alone);

/* Assign count doorbells, numbered from first. */
int stall_assign(struct stall_vm *vm, unsigned int first, unsigned int count);

#endif
