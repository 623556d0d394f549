/* SPDX-License-Identifier: MIT */
/*
 * Memory of a model's world, in place of malloc().  A model defines ARENA_SIZE,
 * puts a struct arena in its world, and defines world_alloc().
 */
#ifndef BF_MODELS_ARENA_H
#define BF_MODELS_ARENA_H

#include <stdlib.h>
#include <string.h>

#include "explore.h"
#include "intercept.h"

/* Zeroed memory from the arena of the world; NULL if no_memory is set. */
static void *world_alloc(size_t size);

static void world_free(void *memory);

/* No memory is used again. */
#define malloc(size)	    world_alloc(size)
#define calloc(count, size) world_alloc((count) * (size))
#define free(memory)	    world_free(memory)

#define ARENA_HEAD 16 /* bytes before a block, with its size */

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

/* The bookkeeping belongs to no thread. */
__attribute__((no_sanitize("thread"))) static void *
arena_alloc(struct arena *arena, size_t size)
{
	char *memory = arena->memory + arena->used + ARENA_HEAD;

	if (arena->no_memory)
		return NULL;
	arena->used += ARENA_HEAD + (size + 15) / 16 * 16;
	check(arena->used <= sizeof(arena->memory),
	      "the model has too little memory");
	*(size_t *)(void *)(memory - ARENA_HEAD) = size;
	machine_plain(memory, size, true); /* it was cleared */
	return memory;
}

/* An access that is not ordered before this is a data race. */
__attribute__((no_sanitize("thread"))) static void world_free(void *memory)
{
	if (memory)
		machine_plain(memory,
			      *(size_t *)(void *)((char *)memory - ARENA_HEAD),
			      true);
}

#endif
