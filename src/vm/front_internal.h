/* SPDX-License-Identifier: MIT */
/*
 * The front from inside.
 *
 * One lock is over the doorbells and zones of a VM, held for moments only:
 * while the kernel installs or removes one, which may take milliseconds, that
 * one is busy and the lock is free.  Nothing on the path of an exit waits for
 * it: exits are matched on the bus alone.
 */
#ifndef BF_VM_FRONT_INTERNAL_H
#define BF_VM_FRONT_INTERNAL_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/slab.h"
#include "base/util.h"
#include "vm/front.h"

enum front_state {
	FRONT_PENDING,	 /* the kernel does not know it yet */
	FRONT_WANTED,	 /* ... and is to be told next */
	FRONT_BUSY,	 /* somebody is telling the kernel, without the lock */
	FRONT_INSTALLED, /* the kernel has it too */
	FRONT_REFUSED,	 /* the kernel would not have it */
};

struct front_doorbell {
	TAILQ_ENTRY(front_doorbell) entry; /* in the list of its state */
	struct bf_io_doorbell *handle;
	struct kvm_ioeventfd arg; /* as the VMM gave it */
	enum front_state state;
};

struct front_zone {
	TAILQ_ENTRY(front_zone) entry;
	struct kvm_coalesced_mmio_zone zone;
	enum front_state state;
	unsigned long hits; /* writes that came out as exits, about */
};

TAILQ_HEAD(front_doorbells, front_doorbell);
TAILQ_HEAD(front_zones, front_zone);

/* The thread that installs under the policy lazy; front_lazy.c. */
struct front_helper {
	pthread_mutex_t lock; /* never held over anything slow */
	pthread_cond_t wake;  /* on CLOCK_MONOTONIC */
	pthread_t thread;
	bool started;
	bool stop;
	bool look; /* something may be worth installing */
};

struct bf_front {
	/* What each KVM_RUN and each exit reads, and little else writes. */
	_Alignas(64) struct bf_io_bus *bus;
	int vm_fd;
	bool counts;		 /* policy lazy: exits are counted */
	bool to_install;	 /* all that is pending, at the next KVM_RUN */
	unsigned int nr_pending; /* doorbells and zones; written locked */
	unsigned int step;	 /* every how many exits are looked at */
	unsigned int rings;	 /* that make an install worth it; 0: not
				    known yet */

	_Alignas(64) unsigned int calls; /* on the VM, that may take long */
	uint64_t disturbed_ns;		 /* when the last of them ended */
	uint64_t quiet_ns;
	uint64_t told_ns; /* when the kernel was last told of something */

	pthread_mutex_t lock;
	pthread_cond_t not_busy; /* some doorbell or zone is so no more */
	struct front_doorbells pending; /* in the order of registration */
	struct front_doorbells wanted;
	struct front_doorbells known; /* those of every other state */
	struct bf_slab doorbells;     /* they lie here */
	struct front_zones zones;     /* in the order of registration */
	bool zones_claimed;	      /* somebody is changing them */
	bool stopped;
	enum bf_policy policy;
	bool zones_at_once;
	bool own_bus;
	struct bf_vm_stats stats; /* rung: of doorbells that are gone */
	struct front_helper helper;
};

/* front_install.c.  What says "lock held" may drop it meanwhile. */

/* 0 or a negative errno. */
int bf_front_kernel(struct bf_front *front, unsigned long request,
		    const void *arg);

/* PIO, MMIO or CCW, by the kernel's precedence. */
uint16_t bf_front_space(uint32_t flags);

void bf_front_set_state(struct bf_front *front, struct front_doorbell *d,
			enum front_state state);
void bf_front_forget(struct bf_front *front, struct front_doorbell *d);
void bf_front_count_pending(struct bf_front *front, int change);

/* Would the zone take a write that rings the doorbell? */
bool bf_front_zone_covers(const struct kvm_coalesced_mmio_zone *zone,
			  const struct kvm_ioeventfd *arg);

/* Lock held: 0 or the kernel's errno, the state says which. */
int bf_front_install(struct bf_front *front, struct front_doorbell *d);
void bf_front_remove(struct bf_front *front, struct front_doorbell *d);

/*
 * Lock held: one at a time changes the zones, and may drop the lock without
 * any of them going away.
 */
void bf_front_claim_zones(struct bf_front *front);
void bf_front_release_zones(struct bf_front *front);

/* Zones claimed, lock held: one, or all that are pending. */
int bf_front_install_zone(struct bf_front *front, struct front_zone *z);
void bf_front_install_zones(struct bf_front *front);

/* Gives the kernel all that is pending. */
void bf_front_install_pending(struct bf_front *front);

/*
 * Gives the kernel what was rung often, as long as nobody disturbs.  False:
 * somebody does, and there may be more to do later.
 */
bool bf_front_install_rung(struct bf_front *front);

/* front_zone.c */
void bf_front_free_zones(struct bf_front *front);
struct front_zone *bf_front_pending_zone(struct bf_front *front);

/* front_calls.c */

/* Something came that an install must keep away from. */
void bf_front_disturb(struct bf_front *front);

/* The kernel has taken a doorbell or a zone. */
void bf_front_told(struct bf_front *front);

/* When installs may be made, on CLOCK_MONOTONIC, if nothing comes; 0: now. */
uint64_t bf_front_quiet_at(struct bf_front *front);

/* front_lazy.c */

void bf_front_lazy_init(struct bf_front *front,
			const struct bf_front_config *config);
void bf_front_lazy_stop(struct bf_front *front);
void bf_front_lazy_destroy(struct bf_front *front);

/* After an exit of a write: did it ring something often enough? */
void bf_front_count_exit(struct bf_front *front, const struct kvm_run *run,
			 bool ours);

#endif
