/* SPDX-License-Identifier: MIT */
/*
 * The layout of a recording.  The preload library writes it and belfry run
 * reads it, in memory that both share, so that it survives _exit() and kill -9.
 * Both must come from one build; the version says so.
 *
 * Each side treats the contents as hostile: another process may write anything
 * there at any time.  So the memory holds no size: each side takes the number
 * of chunks from the size of the file, once, and keeps it to itself.
 *
 * There are two places for events.  priority[] holds stalls, doorbells, and the
 * creation and close of VMs and vCPUs; it has room for a minute that consists
 * of stalls.  All other calls share events[]: a thread takes a chunk of it
 * whenever its last chunk is full.  When no chunk is left, the recorder drops
 * later calls and counts them.  The earliest events stay, because belfry is
 * about start-up and reconfiguration, histograms and totals are complete in any
 * case, and a chunk that is never reused needs no lock.
 */
#ifndef BF_PRELOAD_RECORDING_H
#define BF_PRELOAD_RECORDING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "preload/record/histogram.h"
#include "preload/record/stats.h"

#define RECORDING_MAGIC	  0x7266656c6662u /* "bflfer" */
#define RECORDING_VERSION 3

#define RECORDING_THREADS   4096
#define RECORDING_VMS	    4096
#define RECORDING_DOORBELLS 8192
#define RECORDING_PRIORITY  65536
#define RECORDING_CHUNK	    64 /* events */

enum recorded_kind {
	RECORDED_NOTHING, /* not written, or not completely */
	RECORDED_CALL,
	RECORDED_RUN, /* KVM_RUN calls in close succession; see runs.c */
	RECORDED_FIRST_RUN,
	/* Of a doorbell: */
	RECORDED_ASSIGNED,
	RECORDED_DEASSIGNED,
	RECORDED_SIGNALLED, /* in user space, for the first time */
	RECORDED_INSTALLED,
	RECORDED_REFUSED,
};

/* The registrations that leave a grace period pending. */
enum recorded_gp {
	GP_DOORBELL,
	GP_ZONE,
	GP_IRQCHIP,
	GP_PIT,
	GP_VGIC_ADDRESS, /* of existing vCPUs' redistributors, or of an ITS */
	GP_VGIC_VCPU,	 /* a later vCPU's redistributor */
	GP_VGIC_RUN,	 /* the distributor */
	NR_GPS,
};

/* The others are of interrupt controllers and timers in the kernel. */
#define GPS_OF_DOORBELLS (1u << GP_DOORBELL | 1u << GP_ZONE)

#define RECORDED_NO_THREAD   UINT32_MAX /* threads[] was full */
#define RECORDED_NO_VCPU     UINT32_MAX
#define RECORDED_NO_DOORBELL UINT32_MAX

struct recorded_event {
	_Atomic uint32_t kind;	 /* stored last: the event is complete */
	uint32_t key;		 /* of a call: as in struct stats_call */
	uint32_t thread;	 /* index of threads[] */
	uint32_t vm;		 /* number from 1; 0: none, or unknown */
	uint32_t vcpu;		 /* id, or RECORDED_NO_VCPU */
	uint32_t doorbell;	 /* index, or RECORDED_NO_DOORBELL */
	uint32_t gps;		 /* of a stall: bits of enum recorded_gp */
	int32_t error;		 /* negative errno, or 0 */
	uint64_t start_ns;	 /* CLOCK_MONOTONIC, as all times here */
	_Atomic uint64_t end_ns; /* 0: not ended yet */
	_Atomic uint64_t count;	 /* of RECORDED_RUN: calls */
};

struct recorded_thread {
	_Atomic uint32_t tid; /* stored last; 0: none */
	uint32_t pid;
	char name[16];
};

/* A doorbell that is deassigned and assigned again keeps its row. */
struct recorded_doorbell {
	_Atomic uint64_t id; /* hash of the next five; 0: none */
	_Atomic uint64_t addr;
	_Atomic uint64_t datamatch;
	_Atomic uint32_t vm;
	_Atomic uint32_t len;
	_Atomic uint32_t flags; /* KVM_IOEVENTFD_FLAG_* */
	_Atomic uint32_t in_kernel;
	_Atomic uint64_t assigned;
	_Atomic uint64_t deassigned;
	_Atomic uint64_t never_installed; /* ... before the kernel got it */
	_Atomic uint64_t installed;
	_Atomic uint64_t refused;
	_Atomic uint64_t signals; /* in user space */
	_Atomic uint64_t assigned_ns;
	_Atomic uint64_t first_signal_ns;
	_Atomic uint64_t installed_ns; /* the last time */
};

struct recorded_vm {
	_Atomic uintptr_t front; /* address in process pid */
	_Atomic uint32_t pid;
	_Atomic uint64_t first_run_ns;
	_Atomic uint64_t ended_ns;
	_Atomic uint64_t deferred_ns; /* last registration held back; 0: none */
	_Atomic uint64_t stalls_avoided; /* calls that did not stall for it */
	_Atomic uint64_t pending_gp_ns[NR_GPS]; /* begun; 0: none pending */
	_Atomic uint32_t vgic;			/* bits of gp_arm64.c */
};

struct recording {
	uint64_t magic;
	uint64_t version;
	_Atomic uint64_t next_priority;
	_Atomic uint64_t next_chunk;
	_Atomic uint64_t threads_seen;
	_Atomic uint64_t vms_seen;
	_Atomic uint64_t dropped; /* events without a chunk */
	_Atomic uint64_t dropped_doorbells;
	struct recorded_thread threads[RECORDING_THREADS];
	struct recorded_vm vms[RECORDING_VMS];
	struct recorded_doorbell doorbells[RECORDING_DOORBELLS];
	struct histogram histograms[STATS_CALLS]; /* indexed as stats.calls */
	struct recorded_event priority[RECORDING_PRIORITY];
	struct recorded_event events[];
};

/* In bytes.  Pages that the recorder does not touch take no memory. */
static inline size_t recording_size(uint32_t chunks)
{
	return sizeof(struct recording) +
	       (size_t)chunks * RECORDING_CHUNK * sizeof(struct recorded_event);
}

/* The size may come from a file that is no recording: check it. */
static inline uint32_t recording_chunks_of(size_t size)
{
	return (uint32_t)((size - recording_size(0)) /
			  (RECORDING_CHUNK * sizeof(struct recorded_event)));
}

#endif
