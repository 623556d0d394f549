/* SPDX-License-Identifier: MIT */
/*
 * The data of a front, and the calls between its files.
 *
 * front->lock guards the doorbells and zones of a VM.  No thread holds it over
 * an ioctl that may wait: while the kernel installs or removes a doorbell, which
 * may take milliseconds, the doorbell is FRONT_BUSY and the lock is free.  An
 * exit never waits for the lock, because the bus finds its doorbell under SRCU.
 *
 * "Lock held" in this header means front->lock; "lock dropped" means that the
 * function unlocks and locks it again.
 */
#ifndef BF_FRONT_INTERNAL_H
#define BF_FRONT_INTERNAL_H

#include <linux/kvm.h>
#include <pthread.h>
#include <sys/queue.h>

#include "belfry/io_bus.h"
#include "belfry/memslots.h"

#include "base/clock.h"
#include "base/thread.h"
#include "base/util.h"
#include "front/front.h"

enum front_state {
	FRONT_PENDING,	 /* the kernel does not have it yet */
	FRONT_QUEUED,	 /* the same, and the helper installs it next */
	FRONT_BUSY,	 /* a thread installs or removes it, without the lock */
	FRONT_INSTALLED, /* the kernel has it */
	FRONT_REFUSED,	 /* the kernel refused it */
};

/*
 * The bus has the doorbell, too, in every state.  This memory follows the bus's
 * doorbell, and goes with it.
 */
struct front_doorbell {
	TAILQ_ENTRY(front_doorbell) entry; /* in the list of its state */
	struct bf_io_doorbell *handle;
	struct kvm_ioeventfd arg; /* of the VMM */
	enum front_state state;
};

struct front_zone {
	TAILQ_ENTRY(front_zone) entry;
	struct kvm_coalesced_mmio_zone zone;
	enum front_state state; /* never FRONT_QUEUED */
	unsigned long exits;	/* writes to it that came out; a sample */
};

TAILQ_HEAD(front_doorbells, front_doorbell);
TAILQ_HEAD(front_zones, front_zone);

/* The thread that installs under the policy lazy; install.c. */
struct front_helper {
	pthread_mutex_t lock; /* a leaf; never held over an ioctl */
	pthread_cond_t wake;  /* on CLOCK_MONOTONIC */
	struct bf_thread thread;
	bool started;
	bool stop;
	bool has_work; /* a doorbell or zone may have reached its threshold */
};

struct bf_front {
	/* Read by each KVM_RUN and each exit, and rarely written. */
	_Alignas(64) struct bf_io_bus *bus;
	int vm_fd;		    /* -1: no kernel behind the VM */
	bool counts_exits;	    /* policy lazy */
	bool install_on_run;	    /* pending ones go at the next KVM_RUN */
	unsigned int stay_out;	    /* a futex: 1: vCPUs begin no section */
	unsigned int nr_pending;    /* doorbells and zones; written locked */
	unsigned int check_every;   /* a vCPU checks every so many exits */
	unsigned int install_after; /* signals: K */

	/* Written by each call on the VM. */
	_Alignas(64) unsigned int calls; /* in progress, that may take long */
	uint64_t last_call_ns;		 /* when the last of them ended */
	uint64_t last_install_ns;	 /* 0: no install yet */
	uint64_t quiet_ns;

	pthread_mutex_t lock;
	pthread_cond_t state_changed;	/* something is not busy any more */
	struct front_doorbells pending; /* in the order of registration */
	struct front_doorbells queued;
	struct front_doorbells tracked; /* those of every other state */
	struct front_zones zones;	/* in the order of registration */
	unsigned int nr_zones;		/* written locked */
	bool zones_claimed;		/* a thread is changing them */
	bool stopped;
	enum bf_policy policy;
	unsigned int at_once; /* reasons to give the kernel everything */
	bool zones_at_once;
	bool owns_bus;
	struct bf_memslots_listener *listener; /* NULL: none */
	uint64_t counters[BF_FRONT_COUNTERS];
	unsigned int nr_refused; /* doorbells in state FRONT_REFUSED */
	uint64_t signalled;	 /* of doorbells that were removed */
	struct front_helper helper;

	pthread_mutex_t vcpus_lock; /* a leaf */
	TAILQ_HEAD(, bf_front_vcpu) vcpus;
	unsigned long sections_detached; /* sum of bf_front_vcpu.sections */
};

/* A store that comes out in parts; vcpu.c. */
enum front_store {
	FRONT_STORE_WHOLE,
	FRONT_STORE_MAY_SPLIT, /* more of the store that came out may follow */
	FRONT_STORE_COMPLETES, /* the KVM_RUN in progress enters no guest */
};

struct bf_front_vcpu {
	struct bf_front *front;
	TAILQ_ENTRY(bf_front_vcpu) entry;
	struct kvm_run *run;
	void *source;
	int fd;
	bool served; /* the exit of the last KVM_RUN */
	bool stepping;
	enum front_store store;
	unsigned int exits_since_check;
	unsigned long sections; /* of the bus: begins and ends; odd: in one */
};

/* The kernel checks the flags in this order: PIO before virtio-ccw. */
static inline uint16_t front_space(uint32_t flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return BF_IO_PIO;
	if (flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)
		return BF_IO_CCW;
	return BF_IO_MMIO;
}

/* The front keeps nothing of the doorbells that the VMM assigns; lock held. */
static inline bool front_is_eager(const struct bf_front *front)
{
	return front->policy == BF_POLICY_EAGER && front->vm_fd >= 0;
}

/*
 * Lock held.  Relaxed: an exit that loads an old count checks one exit too late
 * or too early.
 */
static inline void front_count_pending(struct bf_front *front, int change)
{
	__atomic_store_n(&front->nr_pending,
			 front->nr_pending + (unsigned int)change,
			 __ATOMIC_RELAXED);
}

/* Lock held. */
static inline void front_count(struct bf_front *front,
			       enum bf_front_counter counter)
{
	front->counters[counter]++;
	if (bf_front_counted)
		bf_front_counted(counter);
}

/* kernel.c: calls on the VM, and the state that follows from them. */

/* 0 or a negative errno. */
int bf_front_kernel(struct bf_front *front, unsigned long request,
		    const void *arg);

/* The same for a call that changes nothing: installs need not avoid it. */
int bf_front_ask_kernel(const struct bf_front *front, unsigned long request,
			const void *arg);

/* The kernel has a doorbell or a zone more, and a grace period pending. */
void bf_front_note_install(struct bf_front *front);

/* Lock held. */
void bf_front_set_state(struct bf_front *front, struct front_doorbell *d,
			enum front_state state);

/* Lock held: removes a doorbell from the front and from the bus. */
void bf_front_drop(struct bf_front *front, struct front_doorbell *d);

/*
 * Lock held, lock dropped.  0 or the kernel's errno; the doorbell is installed
 * or refused then.
 */
int bf_front_install_doorbell(struct bf_front *front, struct front_doorbell *d);

/* Lock held, lock dropped: from the kernel if it has it, and bf_front_drop(). */
void bf_front_remove_doorbell(struct bf_front *front, struct front_doorbell *d);

/* Lock held, lock dropped, zones claimed: a zone call.  0 or the errno. */
int bf_front_call_zone(struct bf_front *front, unsigned long request,
		       const struct kvm_coalesced_mmio_zone *zone);

/* install.c: decides when the kernel gets a doorbell or a zone. */

void bf_front_install_init(struct bf_front *front,
			   const struct bf_front_config *config);
void bf_front_install_stop(struct bf_front *front);
void bf_front_install_destroy(struct bf_front *front);

/*
 * Lock held, lock dropped.  A doorbell that the bus has just accepted: installs
 * it if a zone in the kernel covers it, or leaves it pending.  0, or the
 * kernel's errno and the doorbell is gone.
 */
int bf_front_apply_policy(struct bf_front *front, struct front_doorbell *d);

/* Lock held, lock dropped, zones claimed.  The same for a zone in the list. */
int bf_front_apply_zone_policy(struct bf_front *front, struct front_zone *z);

/* A call that an install must keep away from has ended. */
void bf_front_note_call(struct bf_front *front);

/*
 * calls_*.c: does this ioctl of one processor's, on a VM's descriptor, hold
 * KVM's locks for long?
 */
bool bf_front_arch_may_stall(uint32_t request);

/* calls_*.c: may the exit be a part of a store, with more to come? */
bool bf_front_arch_may_split(const struct kvm_run *run);

/*
 * After a write that came out: would the kernel have taken it if it had all
 * zones of the front?  False as well if the lock is taken: an exit must not
 * wait.
 */
bool bf_front_coalesces(struct bf_front *front, const struct kvm_run *run);

/* May bf_front_coalesces() take the lock? */
static inline bool front_has_zones(const struct bf_front *front)
{
	return __atomic_load_n(&front->nr_zones, __ATOMIC_RELAXED);
}

/*
 * After an exit: if it is a write, and a doorbell or a zone may have reached
 * its threshold, wakes the helper.
 */
void bf_front_count_exit(struct bf_front_vcpu *vcpu);

/* zone.c */

/*
 * Lock held, lock dropped.  One thread at a time changes the zones; while it
 * has claimed them, no zone goes away though the lock is dropped.
 */
void bf_front_claim_zones(struct bf_front *front);
void bf_front_release_zones(struct bf_front *front);

/* Lock held. */
void bf_front_free_zone(struct bf_front *front, struct front_zone *z);

#endif
