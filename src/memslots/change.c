// SPDX-License-Identifier: MIT
/* Transactions: begin, apply, publish; commit or abort. */
#include <errno.h>
#include <stdlib.h>

#include "memslots/change.h"

int bf_slot_change_begin(struct bf_slot_change *change, struct bf_slots *slots,
			 size_t count)
{
	const struct bf_memslots_view *view = bf_slots_view(slots);

	*change = (struct bf_slot_change){.slots = slots};
	change->touched = count > 1 ? calloc(count, sizeof(struct bf_touched)) :
				      &change->one;
	change->view = bf_view_new(view->spaces, view);
	if (!change->touched || !change->view) {
		bf_slot_change_abort(change);
		return -ENOMEM;
	}
	change->edit.stamp = change->view->generation;
	return 0;
}

/* The slot, noted if this is the transaction's first change of it. */
static struct bf_slot *touch(struct bf_slot_change *change, uint32_t number)
{
	struct bf_slot *slot = bf_ids_slot(&change->slots->ids, number);
	struct bf_touched *touched;

	if (!slot || slot->stamp == change->edit.stamp)
		return slot;
	slot->stamp = change->edit.stamp;
	touched = &change->touched[change->nr_touched++];
	touched->slot = slot;
	touched->old = slot->region;
	return slot;
}

const struct bf_mapping *
bf_slot_change_overlap(const struct bf_slot_node *root,
		       const struct kvm_userspace_memory_region *region,
		       uint64_t *first)
{
	uint64_t page = bf_region_page(region);
	uint64_t last = page + bf_region_pages(region) - 1;
	const struct bf_mapping *mapping;

	while ((mapping = bf_tree_next(root, page, first))) {
		if (*first > last)
			return NULL;
		if (mapping->slot != region->slot)
			return mapping;
		page = *first + mapping->pages;
	}
	return NULL;
}

static int check_overlap(const struct bf_slot_node *root,
			 const struct kvm_userspace_memory_region *wanted,
			 struct kvm_userspace_memory_region *existing)
{
	const struct bf_mapping *other;
	uint64_t first;

	other = bf_slot_change_overlap(root, wanted, &first);
	if (!other)
		return 0;
	existing->slot = other->slot;
	existing->flags = other->flags;
	existing->guest_phys_addr = first << BF_PAGE_SHIFT;
	existing->memory_size = other->pages << BF_PAGE_SHIFT;
	existing->userspace_addr = other->hva;
	return -EEXIST;
}

/* Slots that were removed in place (clear.c) still have an entry there. */
static int drop_cleared(struct bf_slot_change *change,
			struct bf_slot_node **root,
			const struct kvm_userspace_memory_region *region)
{
	uint64_t page = bf_region_page(region);
	uint64_t last = page + bf_region_pages(region) - 1;
	uint64_t first;
	int ret = 0;

	while (!ret && bf_tree_floor(*root, last, &first) && first >= page)
		ret = bf_slot_edit_remove(&change->edit, root, first);
	return ret;
}

static int insert(struct bf_slot_change *change, struct bf_slot_node **root,
		  const struct kvm_userspace_memory_region *region)
{
	const struct bf_mapping mapping = {
		.pages = bf_region_pages(region),
		.hva = region->userspace_addr,
		.slot = region->slot,
		.flags = region->flags,
	};
	int ret = drop_cleared(change, root, region);

	if (ret)
		return ret;
	return bf_slot_edit_insert(&change->edit, root, bf_region_page(region),
				   &mapping);
}

static int edit_tree(struct bf_slot_change *change,
		     enum bf_slot_change_kind kind,
		     const struct kvm_userspace_memory_region *old,
		     const struct kvm_userspace_memory_region *wanted)
{
	struct bf_slot_node **root = &change->view->roots[wanted->slot >> 16];
	int ret = 0;

	if (kind == BF_CHANGE_FLAGS)
		return bf_slot_edit_flags(&change->edit, root,
					  bf_region_page(old), wanted->flags);
	if (kind == BF_CHANGE_REMOVE || kind == BF_CHANGE_MOVE)
		ret = bf_slot_edit_remove(&change->edit, root,
					  bf_region_page(old));
	if (!ret && (kind == BF_CHANGE_ADD || kind == BF_CHANGE_MOVE))
		ret = insert(change, root, wanted);
	return ret;
}

/* What only those are asked that take up a place. */
static int check_place(struct bf_slot_change *change,
		       enum bf_slot_change_kind kind,
		       const struct kvm_userspace_memory_region *wanted,
		       struct kvm_userspace_memory_region *existing)
{
	const struct bf_slot_node *root =
		change->view->roots[wanted->slot >> 16];
	int ret;

	if (kind != BF_CHANGE_ADD && kind != BF_CHANGE_MOVE)
		return 0;
	ret = check_overlap(root, wanted, existing);
	return ret ? ret : bf_rules_check_gpa(&change->slots->config, wanted);
}

/* Now, so that the slot can be removed without memory. */
static int need_spare(struct bf_slot *slot)
{
	if (!slot->spare)
		slot->spare = bf_view_alloc(0);
	return slot->spare ? 0 : -ENOMEM;
}

int bf_slot_change_apply(struct bf_slot_change *change,
			 const struct kvm_userspace_memory_region *wanted,
			 struct kvm_userspace_memory_region *existing)
{
	struct bf_slot *slot;
	int ret, kind;

	ret = bf_rules_check(&change->slots->config, wanted);
	if (ret)
		return ret;
	slot = touch(change, wanted->slot);
	if (!slot)
		return -ENOMEM;
	kind = bf_rules_kind(&slot->region, wanted);
	if (kind <= 0)
		return kind;
	ret = check_place(change, (enum bf_slot_change_kind)kind, wanted,
			  existing);
	if (!ret && kind == BF_CHANGE_ADD)
		ret = need_spare(slot);
	if (!ret)
		ret = edit_tree(change, (enum bf_slot_change_kind)kind,
				&slot->region, wanted);
	if (!ret)
		slot->region = *wanted;
	return ret;
}

bool bf_slot_change_any(const struct bf_slot_change *change)
{
	size_t i;

	for (i = 0; i < change->nr_touched; i++)
		if (bf_touched_kind(&change->touched[i]) != BF_CHANGE_NONE)
			return true;
	return false;
}

bool bf_slot_change_leaves(const struct bf_slot_change *change)
{
	enum bf_slot_change_kind kind;
	size_t i;

	for (i = 0; i < change->nr_touched; i++) {
		kind = bf_touched_kind(&change->touched[i]);
		if (kind == BF_CHANGE_REMOVE || kind == BF_CHANGE_MOVE ||
		    kind == BF_CHANGE_REPLACE)
			return true;
	}
	return false;
}

/*
 * The release orders the nodes and the view before the pointer to it, towards
 * the dependent load in bf_memslots_take(): without it a reader could follow
 * the pointer to what has not been written yet.
 */
static void publish(struct bf_slots *slots, struct bf_memslots_view *view)
{
	srcu_assign_pointer(slots->map.view, view);
}

void bf_slot_change_publish(struct bf_slot_change *change)
{
	struct bf_memslots_view *view = change->view;

	change->view = bf_slots_view(change->slots);
	publish(change->slots, view);
	change->published = true;
}

static void forget_touched(struct bf_slot_change *change)
{
	if (change->touched != &change->one)
		free(change->touched);
}

struct bf_memslots_view *bf_slot_change_commit(struct bf_slot_change *change)
{
	struct bf_memslots_view *old = change->view;

	bf_slot_edit_commit(&change->edit);
	old->stale = change->edit.stale;
	forget_touched(change);
	return old;
}

/*
 * The view that was replaced is published again under its old number, which is
 * right: what anybody kept under that number is in it.  What has been
 * published meanwhile had a number of its own.
 */
static struct bf_memslots_view *go_back(struct bf_slot_change *change)
{
	struct bf_memslots_view *taken_back = bf_slots_view(change->slots);

	publish(change->slots, change->view);
	taken_back->stale = change->edit.fresh;
	return taken_back;
}

static void undo_slots(struct bf_slot_change *change)
{
	size_t i;

	for (i = 0; i < change->nr_touched; i++)
		change->touched[i].slot->region = change->touched[i].old;
}

struct bf_memslots_view *bf_slot_change_abort(struct bf_slot_change *change)
{
	struct bf_memslots_view *taken_back = NULL;

	undo_slots(change);
	if (change->published) {
		taken_back = go_back(change);
	} else {
		bf_slot_edit_abort(&change->edit);
		free(change->view);
	}
	forget_touched(change);
	return taken_back;
}
