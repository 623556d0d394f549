/* SPDX-License-Identifier: MIT */
/*
 * The layout of what the preload library records for belfry run, in memory
 * that both share, so that it outlives _exit() and kill -9.  Both sides come
 * from one build, which the version says.
 *
 * There are two places for events.  Stalls, the life of VMs and vCPUs, and
 * doorbells go to kept[], which has room for a minute of nothing but stalls.
 * The other calls share events[], of which a thread takes a chunk whenever its
 * last one is full; when no chunk is left, later ones are dropped and counted.
 * The oldest stay: belfry is about starting and changing, histograms and
 * totals are complete anyway, and a chunk that is never taken back needs no
 * lock.
 */
#ifndef BF_PRELOAD_RECORDING_H
#define BF_PRELOAD_RECORDING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/record/histogram.h"
#include "preload/record/stats.h"

#define RECORDING_MAGIC	  0x7266656c6662u /* "bflfer" */
#define RECORDING_VERSION 1

#define RECORDING_THREADS   4096
#define RECORDING_VMS	    4096
#define RECORDING_DOORBELLS 8192
#define RECORDING_KEPT	    65536
#define RECORDING_CHUNK	    64 /* events */

enum recorded_kind {
	RECORDED_NOTHING, /* not written, or not to its end */
	RECORDED_CALL,
	RECORDED_RUN, /* KVM_RUN calls of a thread that follow closely */
	RECORDED_FIRST_RUN,
	RECORDED_ASSIGNED, /* these are about a doorbell */
	RECORDED_DEASSIGNED,
	RECORDED_RUNG, /* in user space, the first time */
	RECORDED_INSTALLED,
	RECORDED_REFUSED,
};

/* What leaves a grace period behind that a later call may sleep out. */
enum recorded_debt {
	DEBT_DOORBELL,
	DEBT_ZONE,
	DEBT_IRQCHIP,
	DEBT_PIT,
	NR_DEBTS,
};

#define RECORDED_NO_THREAD   UINT32_MAX /* they did not fit threads[] */
#define RECORDED_NO_VCPU     UINT32_MAX
#define RECORDED_NO_DOORBELL UINT32_MAX

struct recorded_event {
	_Atomic uint32_t kind;	 /* last: the event is complete */
	uint32_t key;		 /* of a call: as in struct stats_call */
	uint32_t thread;	 /* index of threads[] */
	uint32_t vm;		 /* number from 1; 0: none, or not known */
	uint32_t vcpu;		 /* id, or RECORDED_NO_VCPU */
	uint32_t doorbell;	 /* index, or RECORDED_NO_DOORBELL */
	uint32_t debts;		 /* of a stall: bits of enum recorded_debt */
	int32_t error;		 /* negative errno, or 0 */
	uint64_t start_ns;	 /* CLOCK_MONOTONIC, as all times here */
	_Atomic uint64_t end_ns; /* 0: was going on at the end */
	_Atomic uint64_t count;	 /* of RECORDED_RUN: calls */
};

struct recorded_thread {
	_Atomic uint32_t tid; /* last; 0: none */
	uint32_t pid;
	char name[16];
};

/* A doorbell by what it matches: assigned again, it is the same one. */
struct recorded_doorbell {
	_Atomic uint64_t id; /* a hash of the next six; 0: none */
	_Atomic uint64_t addr;
	_Atomic uint64_t datamatch;
	_Atomic uint32_t vm;
	_Atomic uint32_t len;
	_Atomic uint32_t flags; /* KVM_IOEVENTFD_FLAG_* */
	_Atomic uint32_t known; /* the kernel has it now */
	_Atomic uint64_t assigned;
	_Atomic uint64_t deassigned;
	_Atomic uint64_t never_known; /* ... before the kernel knew */
	_Atomic uint64_t installed;
	_Atomic uint64_t refused;
	_Atomic uint64_t rings; /* in user space */
	_Atomic uint64_t assigned_ns;
	_Atomic uint64_t first_ring_ns;
	_Atomic uint64_t installed_ns; /* the last time */
};

struct recorded_vm {
	_Atomic uintptr_t front; /* in process pid: whose VM this is */
	_Atomic uint32_t pid;
	_Atomic uint64_t first_run_ns;
	_Atomic uint64_t ended_ns;
	_Atomic uint64_t deferred_ns; /* a registration not made; 0: none */
	_Atomic uint64_t spared;      /* calls that it would have stalled */
	_Atomic uint64_t owed_ns[NR_DEBTS]; /* when left; 0: none, or paid */
};

struct recording {
	uint64_t magic;
	uint32_t version;
	uint32_t chunks; /* of events[] */
	_Atomic uint64_t next_kept;
	_Atomic uint64_t next_chunk;
	_Atomic uint64_t threads_seen;
	_Atomic uint64_t vms_seen;
	_Atomic uint64_t dropped; /* events that found no chunk */
	_Atomic uint64_t dropped_doorbells;
	struct recorded_thread threads[RECORDING_THREADS];
	struct recorded_vm vms[RECORDING_VMS];
	struct recorded_doorbell doorbells[RECORDING_DOORBELLS];
	struct histogram histograms[STATS_CALLS]; /* as stats.calls */
	struct recorded_event kept[RECORDING_KEPT];
	struct recorded_event events[];
};

/* Of a recording of so many chunks; only what is used takes memory. */
static inline size_t recording_size(uint32_t chunks)
{
	return sizeof(struct recording) +
	       (size_t)chunks * RECORDING_CHUNK * sizeof(struct recorded_event);
}

#endif
