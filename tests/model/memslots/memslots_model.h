/* SPDX-License-Identifier: MIT */
/*
 * A model of the map, as simple as possible: an array of slots that every
 * lookup searches from end to end.
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
	/* By space and number; memory_size is 0 if the slot does not exist. */
	struct kvm_userspace_memory_region slots[2][MODEL_SLOTS];
};

/* Applies one change by KVM's rules; returns 0 or a negative errno. */
int model_set(struct model *model,
	      const struct kvm_userspace_memory_region *change);

/* The slot that holds an address, or NULL. */
const struct kvm_userspace_memory_region *
model_find(const struct model *model, uint32_t space, uint64_t gpa);

/* The first slot that holds an address or a higher one, or NULL. */
const struct kvm_userspace_memory_region *
model_next(const struct model *model, uint32_t space, uint64_t gpa);

/* The length of the (writable) memory from gpa on, at most len. */
uint64_t model_reach(const struct model *model, uint32_t space, uint64_t gpa,
		     uint64_t len, bool write);

/* A random number that depends on the seed alone. */
uint64_t model_random(uint64_t *state);

/* A random change, mostly a valid one. */
struct kvm_userspace_memory_region model_change(uint64_t *random,
						uint32_t spaces);

/* A random address, mostly near those of model_change(). */
uint64_t model_gpa(uint64_t *random);

#endif
