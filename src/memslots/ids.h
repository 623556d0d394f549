/* SPDX-License-Identifier: MIT */
/*
 * Slots by number, for whoever changes them: all that KVM's rules ask of the
 * slot that is there.  In chunks, so that one is neither moved nor are 32,767
 * allocated for three.
 */
#ifndef BF_MEMSLOTS_IDS_H
#define BF_MEMSLOTS_IDS_H

#include <linux/kvm.h>
#include <stdint.h>

#define BF_IDS_CHUNK  64
#define BF_IDS_CHUNKS 512 /* of an address space */

struct bf_memslots_view;

struct bf_slot {
	/* memory_size 0: not there. */
	struct kvm_userspace_memory_region region;
	uint64_t stamp; /* of the edit that changed it last */
	/* For clear.c; there as long as the slot is, or longer. */
	struct bf_memslots_view *spare;
};

struct bf_ids {
	struct bf_slot **chunks; /* BF_IDS_CHUNKS for each address space */
	uint32_t spaces;
};

/* 0 or -ENOMEM. */
int bf_ids_init(struct bf_ids *ids, uint32_t spaces);
void bf_ids_free(struct bf_ids *ids);

/*
 * The slot of a number that is in range, there or not; NULL: out of memory.
 * Stays where it is.
 */
struct bf_slot *bf_ids_slot(struct bf_ids *ids, uint32_t number);

/* The slot of a number, if it is there; else NULL. */
struct bf_slot *bf_ids_find(const struct bf_ids *ids, uint32_t number);

#endif
