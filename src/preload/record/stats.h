/* SPDX-License-Identifier: MIT */
/*
 * What the preload library counts.  The counters lie in memory that belfry
 * run shares with it, so that they outlive _exit() and kill -9; both sides
 * come from one build, which the version says.
 */
#ifndef BF_PRELOAD_STATS_H
#define BF_PRELOAD_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STATS_MAGIC   0x73797266656c6562u /* "belfrys" + 's' */
#define STATS_VERSION 2

/* What takes longer is a stall: no KVM call of a VMM needs that much. */
#define STATS_STALL_NS 1000000u

#define STATS_CALLS 256
#define STATS_VCPUS 256

/* Keys of what is timed and is no ioctl; those have a type, these do not. */
enum stats_key {
	STATS_NONE,
	STATS_CLOSE_VM,
	STATS_CLOSE_VCPU,
	STATS_DEASSIGN, /* KVM_IOEVENTFD, apart from its assigns */
	STATS_INSTALL,	/* doorbells given to the kernel before a KVM_RUN */
};

struct stats_call {
	_Atomic uint32_t key; /* an ioctl's number, or enum stats_key */
	_Atomic uint64_t calls;
	_Atomic uint64_t errors;
	_Atomic uint64_t total_ns;
	_Atomic uint64_t longest_ns;
	_Atomic uint64_t stalls;
	_Atomic uint64_t stalled_ns;
};

/* One cache line per vCPU, so that counting couples none of them. */
struct stats_vcpu {
	_Alignas(64) _Atomic uint64_t runs; /* KVM_RUN calls of the VMM */
	_Atomic uint64_t rings;		    /* doorbells rung in user space */
};

struct stats {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	_Atomic uint64_t loaded;     /* programs that found these counters */
	_Atomic uint64_t started_ns; /* CLOCK_MONOTONIC */
	_Atomic uint64_t first_run_ns;
	_Atomic uint64_t
		loaded_ns; /* the program that made that one; 0: none */
	_Atomic uint64_t first_run_pid; /* and its process, once it ran */
	_Atomic uint64_t stalled_before_run_ns;
	_Atomic uint64_t vms;
	_Atomic uint64_t vcpus;
	_Atomic uint64_t aside;	    /* VMs that were left to themselves */
	_Atomic uint64_t uncounted; /* calls that found the table full */
	_Atomic uint64_t assigned;
	_Atomic uint64_t deassigned;
	_Atomic uint64_t never_known;
	_Atomic uint64_t installed;
	_Atomic uint64_t refused;
	struct stats_call calls[STATS_CALLS];
	struct stats_vcpu vcpu[STATS_VCPUS];
};

/* Empty counters that begin now. */
void stats_init(struct stats *stats);

uint64_t stats_now(void);

/* The kernel's tick in nanoseconds. */
uint64_t stats_tick(void);

/* The counters of @key; NULL when those of too many others are there. */
struct stats_call *stats_call(struct stats *stats, uint32_t key);

/* Counts one call that began at @start_ns and ends now. */
void stats_record(struct stats *stats, uint32_t key, uint64_t start_ns,
		  bool error);

/*
 * Counts a KVM_RUN of a program that was loaded at @loaded_ns and is process
 * @pid; the first of all leaves both, and when it was.
 */
void stats_run(struct stats *stats, struct stats_vcpu *vcpu, uint64_t loaded_ns,
	       pid_t pid);

/* The counters of a new vCPU; shared where there are very many. */
struct stats_vcpu *stats_vcpu(struct stats *stats);

#endif
