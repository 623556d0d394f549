/* SPDX-License-Identifier: MIT */
/*
 * The counters of the preload library.  They lie in memory that the library
 * shares with belfry run, so that they survive _exit() and kill -9.  Both must
 * come from one build; the version says so.
 */
#ifndef BF_PRELOAD_STATS_H
#define BF_PRELOAD_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"

/* No counter orders other memory. */
#define relaxed_load(word) atomic_load_explicit(word, memory_order_relaxed)
#define relaxed_store(word, value) \
	atomic_store_explicit(word, value, memory_order_relaxed)
#define relaxed_add(word, value) \
	atomic_fetch_add_explicit(word, value, memory_order_relaxed)
#define relaxed_or(word, value) \
	atomic_fetch_or_explicit(word, value, memory_order_relaxed)
#define relaxed_swap(word, old, new)             \
	atomic_compare_exchange_strong_explicit( \
		word, old, new, memory_order_relaxed, memory_order_relaxed)

/* Stores a value in a word that is 0; false: the word is not 0. */
static inline bool relaxed_set_once(_Atomic uint64_t *word, uint64_t value)
{
	uint64_t never = 0;

	return !relaxed_load(word) && relaxed_swap(word, &never, value);
}

#define STATS_MAGIC   0x73797266656c6562u /* "belfrys" + 's' */
#define STATS_VERSION 4

/* A longer call is a stall: no KVM call of a VMM has that much to do. */
#define STATS_STALL_NS 1000000u

#define STATS_CALLS 256
#define STATS_VCPUS 256

/* Keys of timed operations that are no ioctl.  An ioctl's number is larger. */
enum stats_key {
	STATS_NONE,
	STATS_CLOSE_VM,
	STATS_CLOSE_VCPU,
	STATS_CLOSE_DEVICE,
	STATS_DEASSIGN, /* KVM_IOEVENTFD with the flag; KVM_IOEVENTFD: assigns */
	STATS_INSTALL,	/* doorbells installed before a KVM_RUN */
	STATS_CREATE_VGIC, /* KVM_CREATE_DEVICE of an Arm vGIC */
	STATS_PLACE_REDIST, /* KVM_SET_DEVICE_ATTR: its redistributors' address */
	STATS_PLACE_ITS,    /* KVM_SET_DEVICE_ATTR: the address of an ITS */
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

/* One cache line for each vCPU, so that vCPUs do not share one. */
struct stats_vcpu {
	_Alignas(64) _Atomic uint64_t runs; /* KVM_RUN calls of the VMM */
	_Atomic uint64_t signals;	    /* of doorbells, in user space */
};

struct stats {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	_Atomic uint64_t loaded;	/* programs that use these counters */
	_Atomic uint64_t started_ns;	/* CLOCK_MONOTONIC */
	_Atomic uint64_t first_run_ns;	/* the first KVM_RUN of all; 0: none */
	_Atomic uint64_t loaded_ns;	/* of the program that made it */
	_Atomic uint64_t first_run_pid; /* the process that made it */
	_Atomic uint64_t stalled_before_run_ns;
	_Atomic uint64_t vms;
	_Atomic uint64_t vm_pid; /* the process that made the last of them */
	_Atomic uint64_t vcpus;
	_Atomic uint64_t passed_through; /* VMs; see vm_pass_through() */
	_Atomic uint64_t uncounted;	 /* calls without room in calls[] */
	_Atomic uint64_t assigned;
	_Atomic uint64_t deassigned;
	_Atomic uint64_t never_installed;
	_Atomic uint64_t installed;
	_Atomic uint64_t refused;
	struct stats_call calls[STATS_CALLS];
	struct stats_vcpu vcpu[STATS_VCPUS];
};

/* Each may be the close that ends a VM. */
static inline bool stats_is_close(uint32_t key)
{
	return key == STATS_CLOSE_VM || key == STATS_CLOSE_VCPU ||
	       key == STATS_CLOSE_DEVICE;
}

/* The kernel's tick in nanoseconds. */
uint64_t stats_tick(void);

/* Zeroes the counters; they start now. */
void stats_init(struct stats *stats);

/* The counters of @key, or NULL if calls[] is full of other keys. */
struct stats_call *stats_call(struct stats *stats, uint32_t key);

/* Counts one call of @ns.  Returns its counters; NULL as stats_call(). */
struct stats_call *stats_record(struct stats *stats, uint32_t key, uint64_t ns,
				bool error);

/*
 * Adds 1 to a counter of a vCPU.  No atomic addition: one thread at a time runs
 * a vCPU.  If vCPUs share the counters, a count may be lost.
 */
static inline void stats_increment(_Atomic uint64_t *counter)
{
	relaxed_store(counter, relaxed_load(counter) + 1);
}

/*
 * Counts a KVM_RUN.  False: it may be the first of all, and the caller calls
 * stats_first_run().
 */
static inline bool stats_run(struct stats *stats, struct stats_vcpu *vcpu)
{
	stats_increment(&vcpu->runs);
	return relaxed_load(&stats->first_run_ns);
}

/*
 * The first KVM_RUN of all stores its time, @pid, and @loaded_ns, the time at
 * which the dynamic linker had loaded the program.
 */
void stats_first_run(struct stats *stats, uint64_t loaded_ns, pid_t pid);

/* The counters of a new vCPU.  Beyond STATS_VCPUS - 1 vCPUs share them. */
struct stats_vcpu *stats_vcpu(struct stats *stats);

#endif
