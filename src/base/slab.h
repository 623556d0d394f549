/* SPDX-License-Identifier: MIT */
/*
 * Objects of one size that come and go by the thousand: several in each block
 * of malloc(), so that most of them cost neither a call of it nor one of
 * free(), and all that is left goes at once.  What is called on a slab is
 * called by one thread at a time.
 *
 * Under a sanitizer each object has a block of its own, so that one that is
 * used after it was freed is noticed.
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
	unsigned int room;	       /* of a block, in objects */
	struct bf_slab_blocks roomy;   /* those with room for one more */
	struct bf_slab_blocks crowded; /* the others */
};

/* For objects of at most BF_SLAB_MAX_SIZE that are aligned as pointers are. */
void bf_slab_init(struct bf_slab *slab, size_t size);

/* What was in it is undefined; NULL: no memory. */
void *bf_slab_get(struct bf_slab *slab);

/* To the slab that it came from. */
void bf_slab_put(void *object);

/* Frees every object that is left. */
void bf_slab_destroy(struct bf_slab *slab);

#endif
