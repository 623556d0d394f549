// SPDX-License-Identifier: MIT
/*
 * The removal of a slot when a change like any other can get no memory: in
 * place.  Its mapping stays in the leaf, which is published, and loses its
 * pages; whoever takes up its place next drops it (insert() in change.c).
 *
 * Snapshots that were taken before see the slot go, those of older views that
 * have the leaf too.  But none is left behind when the removal is over: the
 * grace period waits for all of them, as after every removal.
 *
 * Slots that threads have found before are good for the generation of the view
 * in which they were found, so the view gets another one:
 *
 *	here			find_slot() in lookup.c
 *	pages = 0		token = generation (acquire)
 *	generation (release)	pages
 *
 * A reader that takes the new number sees the mapping without its pages.  One
 * that takes the old number may keep a slot with pages under it; but whoever
 * compares with the old number has read it in a section that the grace period
 * waits for: one that begins later sees the new one.
 */
#include <errno.h>

#include "memslots/clear.h"
#include "memslots/rules.h"

/*
 * The BF_MEMSLOTS_BREAK_* macros, here and in find_slot(), take one thing away
 * each that is needed, for tests that show that models/ notices.
 */
#ifdef BF_MEMSLOTS_BREAK_CLEAR_ORDER
#define GENERATION_ORDER __ATOMIC_RELAXED
#else
#define GENERATION_ORDER __ATOMIC_RELEASE
#endif

static void set_pages(struct bf_mapping *mapping, uint64_t pages)
{
	__atomic_store_n(&mapping->pages, pages, __ATOMIC_RELAXED);
}

static struct bf_mapping *published_mapping(struct bf_slots *slots,
					    const struct bf_slot *slot)
{
	const struct bf_memslots_view *view = bf_slots_view(slots);
	uint64_t first;

	return (struct bf_mapping *)(uintptr_t)bf_tree_floor(
		view->roots[slot->region.slot >> 16],
		bf_region_page(&slot->region), &first);
}

/* As removals are forwarded: the map first, and back if the guest refuses. */
static int clear_mapping(struct bf_slots *slots, struct bf_slot *slot)
{
	const struct kvm_userspace_memory_region gone = {
		.slot = slot->region.slot,
	};
	const struct bf_slots_guest *guest = &slots->guest;
	struct bf_mapping *mapping = published_mapping(slots, slot);
	int ret = 0;

	set_pages(mapping, 0);
#ifndef BF_MEMSLOTS_BREAK_CLEAR
	__atomic_store_n(&bf_slots_view(slots)->generation,
			 bf_view_next_generation(), GENERATION_ORDER);
#endif
	if (guest->set)
		ret = guest->set(guest->opaque, &gone);
	if (ret)
		set_pages(mapping, bf_region_pages(&slot->region));
	return ret;
}

int bf_slot_clear(struct bf_slots *slots,
		  const struct kvm_userspace_memory_region *change,
		  struct bf_memslots_view **spare)
{
	struct bf_slot *slot;
	int ret = bf_rules_check(&slots->config, change);

	if (ret)
		return ret;
	slot = bf_ids_find(&slots->ids, change->slot);
	if (!slot)
		return -EINVAL;
	ret = clear_mapping(slots, slot);
	if (ret)
		return ret;
	slot->region = *change;
	*spare = slot->spare;
	slot->spare = NULL;
	return 0;
}
