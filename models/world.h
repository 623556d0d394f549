/* SPDX-License-Identifier: MIT */
/*
 * The common part of models of a layer above SRCU: the grace period and its
 * readers, memory (arena.h), and locks.
 *
 * A model defines ARENA_SIZE, includes this header and the sources of its
 * layer, and puts a struct arena in its world.
 */
#ifndef BF_MODELS_WORLD_H
#define BF_MODELS_WORLD_H

#include <errno.h>
#include <pthread.h>

#include "arena.h"

/* One thread makes all changes. */
#define pthread_mutex_lock(mutex)   ((void)(mutex))
#define pthread_mutex_unlock(mutex) ((void)(mutex))

#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu/wait.h"
#include "srcu_rseq.h"
#include "srcu_stubs.h"

#define NR_SLOTS MACHINE_THREADS

/* Each change tries a grace period, which the real ones share. */
#define BF_DEFERRED_BATCH 1

/* No grace period passes at once, so that a removal waits for one. */
bool bf_srcu_gp_try(struct srcu_struct *ssp)
{
	return false;
}

static void init_domain(struct srcu_struct *domain,
			struct __bf_srcu_slot *slots)
{
	domain->slots = slots;
	domain->rseq_slots = slots;
	bf_srcu_set_bank(domain, 0);
}

#endif
