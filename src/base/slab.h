/* SPDX-License-Identifier: MIT */
/*
 * A slab allocates objects of one size.  Several lie in each block of malloc(),
 * so most objects cost no call of malloc() or free(), and bf_slab_destroy()
 * frees all blocks at once.  The caller serializes calls on one slab.
 *
 * Under a sanitizer each object has its own block, so that the sanitizer
 * detects a use after free.
 *
 * Literature: Bonwick, "The Slab Allocator", USENIX Summer 1994.
 */
#ifndef BF_SLAB_H
#define BF_SLAB_H

#include <stddef.h>
#include <sys/queue.h>

#define BF_SLAB_MAX_SIZE 640

struct bf_slab_block;

LIST_HEAD(bf_slab_blocks, bf_slab_block);

struct bf_slab {
	size_t size;		       /* of an object */
	unsigned int room;	       /* objects of a block */
	struct bf_slab_blocks roomy;   /* with room for one more */
	struct bf_slab_blocks crowded; /* full */
};

/* For objects of at most BF_SLAB_MAX_SIZE that are aligned as pointers are. */
void bf_slab_init(struct bf_slab *slab, size_t size);

/* Returns an object with undefined contents; NULL: no memory. */
void *bf_slab_get(struct bf_slab *slab);

/* Returns the object to its slab. */
void bf_slab_put(void *object);

/* Frees all objects. */
void bf_slab_destroy(struct bf_slab *slab);

#endif
