// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/slab.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || \
	defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define IS_ALONE true
#else
#define IS_ALONE false
#endif

/* A block lies at a multiple of this, so that block_of() finds it. */
#define BLOCK_ALIGNMENT (IS_ALONE ? 1024 : 4096)

/* Room for the words of malloc() between two adjacent blocks. */
#define BLOCK_SIZE (BLOCK_ALIGNMENT - 2 * sizeof(size_t))

struct bf_slab_block {
	LIST_ENTRY(bf_slab_block) entry; /* in roomy or crowded */
	struct bf_slab *slab;
	void *free;	   /* list of freed objects, linked by the first word */
	unsigned int used; /* allocated objects */
	unsigned int begun; /* objects behind this were never allocated */
	char objects[];
};

void bf_slab_init(struct bf_slab *slab, size_t size)
{
	const size_t word = sizeof(void *);
	const size_t room = BLOCK_SIZE - sizeof(struct bf_slab_block);

	slab->size = (size + word - 1) / word * word;
	slab->room = IS_ALONE ? 1 : (unsigned int)(room / slab->size);
	LIST_INIT(&slab->roomy);
	LIST_INIT(&slab->crowded);
}

static void move(struct bf_slab_block *block, struct bf_slab_blocks *to)
{
	LIST_REMOVE(block, entry);
	LIST_INSERT_HEAD(to, block, entry);
}

static struct bf_slab_block *new_block(struct bf_slab *slab)
{
	struct bf_slab_block *block;
	void *memory;

	if (posix_memalign(&memory, BLOCK_ALIGNMENT, BLOCK_SIZE))
		return NULL;
	block = memory;
	block->slab = slab;
	block->free = NULL;
	block->used = block->begun = 0;
	LIST_INSERT_HEAD(&slab->roomy, block, entry);
	return block;
}

void *bf_slab_get(struct bf_slab *slab)
{
	struct bf_slab_block *block = LIST_FIRST(&slab->roomy);
	void *object;

	if (!block)
		block = new_block(slab);
	if (!block)
		return NULL;
	if (++block->used == slab->room)
		move(block, &slab->crowded);
	object = block->free;
	if (!object)
		return block->objects + slab->size * block->begun++;
	block->free = *(void **)object;
	return object;
}

static struct bf_slab_block *block_of(const void *object)
{
	return (struct bf_slab_block *)((uintptr_t)object / BLOCK_ALIGNMENT *
					BLOCK_ALIGNMENT);
}

/* The last roomy block stays, so that the next object costs no malloc(). */
static bool is_spare(const struct bf_slab_block *block)
{
	return IS_ALONE || LIST_FIRST(&block->slab->roomy) != block ||
	       LIST_NEXT(block, entry);
}

void bf_slab_put(void *object)
{
	struct bf_slab_block *block = block_of(object);

	if (block->used-- == block->slab->room)
		move(block, &block->slab->roomy);
	*(void **)object = block->free;
	block->free = object;
	if (block->used || !is_spare(block))
		return;
	LIST_REMOVE(block, entry);
	free(block);
}

static void free_blocks(struct bf_slab_blocks *blocks)
{
	struct bf_slab_block *block;

	while ((block = LIST_FIRST(blocks))) {
		LIST_REMOVE(block, entry);
		free(block);
	}
}

void bf_slab_destroy(struct bf_slab *slab)
{
	free_blocks(&slab->roomy);
	free_blocks(&slab->crowded);
}
