/* SPDX-License-Identifier: MIT */
/*
 * The common part of models of a layer above SRCU: the grace period and its
 * readers, memory, and locks.
 *
 * A model defines ARENA_SIZE, includes this header and the sources of its
 * layer, and puts a struct arena in its world.
 */
#ifndef BF_MODELS_WORLD_H
#define BF_MODELS_WORLD_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "intercept.h"

/* Zeroed memory from the arena of the world; NULL if no_memory is set. */
static void *world_alloc(size_t size);

/* No memory is used again, and one thread makes all changes. */
#define malloc(size)		    world_alloc(size)
#define calloc(count, size)	    world_alloc((count) * (size))
#define free(memory)		    ((void)(memory))
#define pthread_mutex_lock(mutex)   ((void)(mutex))
#define pthread_mutex_unlock(mutex) ((void)(mutex))

#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu/wait.h"
#include "srcu_rseq.h"
#include "srcu_stubs.h"

#define NR_SLOTS MACHINE_THREADS

struct arena {
	_Alignas(64) char memory[ARENA_SIZE];
	size_t used;
	bool no_memory; /* so removals change published trees in place */
};

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

static void *arena_alloc(struct arena *arena, size_t size)
{
	void *memory = arena->memory + arena->used;

	if (arena->no_memory)
		return NULL;
	arena->used += (size + 15) / 16 * 16;
	check(arena->used <= sizeof(arena->memory),
	      "the model has too little memory");
	return memory;
}

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
