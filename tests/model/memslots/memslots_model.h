/* SPDX-License-Identifier: MIT */
/*
 * The plainest map there can be, to compare with: an array of slots, of which
 * every question looks at each.
 */
#ifndef TESTS_MEMSLOTS_MODEL_H
#define TESTS_MEMSLOTS_MODEL_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_SLOTS 48 /* in each space */

struct model {
	uint32_t spaces;
	/* By space and number; memory_size 0: not there. */
	struct kvm_userspace_memory_region slots[2][MODEL_SLOTS];
};

/* One change, by the rules; 0 or a negative errno. */
int model_set(struct model *model,
	      const struct kvm_userspace_memory_region *change);

/* The slot that holds an address, or NULL. */
const struct kvm_userspace_memory_region *
model_find(const struct model *model, uint32_t space, uint64_t gpa);

/* The first slot that holds an address or lies behind it, or NULL. */
const struct kvm_userspace_memory_region *
model_next(const struct model *model, uint32_t space, uint64_t gpa);

/* How far from gpa on there is memory (that may be written), at most len. */
uint64_t model_reach(const struct model *model, uint32_t space, uint64_t gpa,
		     uint64_t len, bool write);

/* Random numbers that only the seed decides. */
uint64_t model_random(uint64_t *state);

/* A change that makes some sense, and sometimes does not. */
struct kvm_userspace_memory_region model_change(uint64_t *random,
						uint32_t spaces);

/* Around the places where slots are put, and both ends. */
uint64_t model_gpa(uint64_t *random);

#endif
