/* SPDX-License-Identifier: MIT */
/*
 * A map from inside.
 *
 * The BF_MEMSLOTS_BREAK_* macros take one step away each, for the tests that
 * show that the torture notices: see tests/torture/meson.build.
 */
#ifndef BF_MEMSLOTS_MEMSLOTS_H
#define BF_MEMSLOTS_MEMSLOTS_H

#include "belfry/memslots.h"
#include "memslots/ids.h"
#include "memslots/tree.h"
#include "base/util.h"

/* What readers see, replaced whole. */
struct bf_memslots_view {
	/* At the begin, for inline readers; a multiple of BF_MEMSLOTS_SPACES. */
	uint64_t generation;
	uint32_t spaces;
	/* When it has been replaced: */
	struct srcu_head head;
	struct bf_slot_node *stale; /* no later view has them */
	void (*done)(void *opaque);
	void *opaque;
	struct bf_slot_node *roots[];
};

/*
 * Where a guest runs that has the same slots and is told of each change: a KVM
 * VM, or an engine of the layers above.
 */
struct bf_slots_guest {
	/* As KVM_SET_USER_MEMORY_REGION: 0 or a negative errno. */
	int (*set)(void *opaque,
		   const struct kvm_userspace_memory_region *change);
	void *opaque;
};

struct bf_slots {
	struct bf_memslots map; /* the reader's part */
	pthread_mutex_t lock;	/* one change at a time */
	struct bf_memslots_config config;
	struct bf_slots_guest guest; /* set is NULL: there is none */
	struct bf_ids ids;	     /* under lock */
};

static inline struct bf_slots *bf_slots_of(struct bf_memslots *map)
{
	return container_of(map, struct bf_slots, map);
}

static inline struct bf_slot_node *
bf_view_root(const struct bf_memslots_view *view, uint32_t space)
{
	return space < view->spaces ? view->roots[space] : NULL;
}

/* The present view; lock held. */
static inline struct bf_memslots_view *bf_slots_view(struct bf_slots *slots)
{
	return (struct bf_memslots_view *)(uintptr_t)slots->map.view;
}

/*
 * bf_memslots_create() for a guest of the caller's; NULL: for the one of the
 * configuration, if it has one.
 */
int bf_slots_create(struct bf_memslots **mapp,
		    const struct bf_memslots_config *config,
		    const struct bf_slots_guest *guest);

/* A number that no view of the process has had. */
uint64_t bf_view_next_generation(void);

/* A view without a number, which nobody is to see. */
struct bf_memslots_view *bf_view_alloc(uint32_t spaces);

/* A view with a number of its own and the roots of from, or none. */
struct bf_memslots_view *bf_view_new(uint32_t spaces,
				     const struct bf_memslots_view *from);

/* Nobody sees a view that was replaced: frees it and tells who waits. */
void bf_view_retire(struct bf_memslots_view *view);
/* The same, as a callback. */
void bf_view_called(struct srcu_head *head);

static inline uint64_t
bf_region_page(const struct kvm_userspace_memory_region *region)
{
	return region->guest_phys_addr >> BF_PAGE_SHIFT;
}

static inline uint64_t
bf_region_pages(const struct kvm_userspace_memory_region *region)
{
	return region->memory_size >> BF_PAGE_SHIFT;
}

#endif
