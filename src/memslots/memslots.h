/* SPDX-License-Identifier: MIT */
/* A map of memory slots, from inside. */
#ifndef BF_MEMSLOTS_MEMSLOTS_H
#define BF_MEMSLOTS_MEMSLOTS_H

#include <sys/queue.h>

#include "base/span_tree.h"
#include "base/sparse.h"
#include "belfry/memslots.h"
#include "srcu/deferred.h"

/* The entry of a slot in the tree of its address space, by guest address. */
struct bf_mapping {
	struct bf_span_entry span;
	uint64_t hva;
	uint32_t slot;
	uint32_t flags;
	union {
		void *tag;
		/* With KVM_MEM_LOG_DIRTY_PAGES; it has the tag. */
		struct bf_dirty *dirty;
	};
};

/* One version of the map.  A change publishes a new one as a whole. */
struct bf_memslots_view {
	struct bf_node node;
	uint32_t spaces;
	/* Of a view that was replaced, for bf_view_retire(): */
	struct srcu_head head;
	struct bf_node *replaced; /* itself, and nodes that the next one lacks */
	void (*done)(void *opaque);
	void *opaque;
	size_t pins;   /* that its end waits for; under pin_lock */
	bool deferred; /* the last unpin queues head */
	struct bf_span_node *roots[];
};

/* The file behind a slot with KVM_MEM_GUEST_MEMFD, else zero. */
struct bf_gmem {
	uint64_t offset;
	uint32_t fd;
};

/* A slot by its number, for the updater; stays until the map is destroyed. */
struct bf_slot {
	/* memory_size 0: the slot does not exist. */
	struct kvm_userspace_memory_region region;
	struct bf_gmem gmem;
	void *tag; /* NULL if the slot does not exist */
	struct bf_dirty *dirty;
	uint64_t stamp; /* of the last edit that touched it */
	/*
	 * The view that a removal without memory retires.  A slot has it as
	 * long as it exists.
	 */
	struct bf_memslots_view *spare;
};

/* The guest that has the same slots, and is told each change: KVM's, or one of
 * an engine. */
struct bf_slots_guest {
	/* As KVM_SET_USER_MEMORY_REGION2: 0 or a negative errno. */
	int (*set)(void *opaque,
		   const struct kvm_userspace_memory_region2 *change);
	void *opaque;
};

struct bf_slots {
	struct bf_memslots map; /* the part for readers */
	pthread_mutex_t lock;	/* one change at a time; guards the rest */
	struct bf_memslots_config config;
	struct bf_slots_guest guest;	   /* set is NULL: there is none */
	struct bf_sparse by_number;	   /* of bf_slot */
	uint32_t ends[BF_MEMSLOTS_SPACES]; /* no number from here on was used */
	uint64_t edits;			   /* the stamp of the last one */
	struct bf_deferred deferred;	   /* views that were replaced */
	SLIST_HEAD(, bf_memslots_listener) listeners;
	pthread_mutex_t pin_lock; /* inside lock; guards pins */
	pthread_cond_t unpinned;
	LIST_HEAD(, bf_memslots_pinned) pins;
};

static inline struct bf_slots *bf_slots_of(struct bf_memslots *map)
{
	return container_of(map, struct bf_slots, map);
}

static inline struct bf_mapping *bf_mapping_of(struct bf_span_entry *entry)
{
	return container_of(entry, struct bf_mapping, span);
}

static inline struct bf_span_node *
bf_view_root(const struct bf_memslots_view *view, uint32_t space)
{
	return space < view->spaces ? view->roots[space] : NULL;
}

static inline bool bf_mapping_logs(const struct bf_mapping *mapping)
{
	return mapping->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

/* The published view; lock held. */
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

/*
 * The slot of a number in range, which may not exist; lock held.  NULL: out of
 * memory.
 */
struct bf_slot *bf_slot_get(struct bf_slots *slots, uint32_t number);

/* The slot of a number in range if it exists, else NULL; lock held. */
struct bf_slot *bf_slot_find(const struct bf_slots *slots, uint32_t number);

static inline size_t bf_view_size(uint32_t spaces)
{
	return sizeof(struct bf_memslots_view) +
	       spaces * sizeof(struct bf_span_node *);
}

/*
 * Marks the pages of len bytes of a slot, which the caller has written in this
 * section; len is not 0.
 */
void bf_dirty_mark(struct bf_dirty *dirty, uint64_t offset, uint64_t len);

/* The tag of the slot. */
void *bf_dirty_tag(const struct bf_dirty *dirty);

/* Frees the bitmap of a slot at the end of its map. */
void bf_dirty_free(struct bf_slot *slot);

/* A view without slots; NULL: no memory. */
struct bf_memslots_view *bf_view_new(uint32_t spaces);

/* Frees a view that no reader sees, and calls its done function. */
void bf_view_retire(struct bf_memslots_view *view);
/* The same, as an SRCU callback. */
void bf_view_called(struct srcu_head *head);

static inline struct kvm_userspace_memory_region
bf_mapping_region(const struct bf_mapping *mapping, struct bf_span span)
{
	return (struct kvm_userspace_memory_region){
		.slot = mapping->slot,
		.flags = mapping->flags,
		.guest_phys_addr = span.first,
		.memory_size = span.last - span.first + 1,
		.userspace_addr = mapping->hva,
	};
}

static inline struct kvm_userspace_memory_region
bf_region_of(const struct kvm_userspace_memory_region2 *region)
{
	return (struct kvm_userspace_memory_region){
		.slot = region->slot,
		.flags = region->flags,
		.guest_phys_addr = region->guest_phys_addr,
		.memory_size = region->memory_size,
		.userspace_addr = region->userspace_addr,
	};
}

static inline struct kvm_userspace_memory_region2
bf_region2_of(const struct kvm_userspace_memory_region *region,
	      struct bf_gmem gmem)
{
	return (struct kvm_userspace_memory_region2){
		.slot = region->slot,
		.flags = region->flags,
		.guest_phys_addr = region->guest_phys_addr,
		.memory_size = region->memory_size,
		.userspace_addr = region->userspace_addr,
		.guest_memfd_offset = gmem.offset,
		.guest_memfd = gmem.fd,
	};
}

static inline struct bf_gmem
bf_gmem_of(const struct kvm_userspace_memory_region2 *region)
{
	if (!(region->flags & KVM_MEM_GUEST_MEMFD))
		return (struct bf_gmem){0};
	return (struct bf_gmem){
		.offset = region->guest_memfd_offset,
		.fd = region->guest_memfd,
	};
}

static inline struct bf_span
bf_region_span(const struct kvm_userspace_memory_region *region)
{
	return (struct bf_span){
		.first = region->guest_phys_addr,
		.last = region->guest_phys_addr + region->memory_size - 1,
	};
}

#endif
