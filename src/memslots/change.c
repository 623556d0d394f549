// SPDX-License-Identifier: MIT
/* Transactions: begin, apply, publish; commit or abort. */
#include <errno.h>
#include <stdlib.h>

#include "memslots/change.h"

int bf_slot_change_begin(struct bf_slot_change *change, struct bf_slots *slots,
			 size_t count)
{
	struct bf_memslots_view *view = bf_slots_view(slots);
	const size_t size = bf_view_size(view->spaces);

	*change = (struct bf_slot_change){.slots = slots};
	bf_edit_begin(&change->edit, ++slots->edits);
	change->touched = count > 1 ? calloc(count, sizeof(struct bf_touched)) :
				      &change->one;
	change->view = bf_edit_copy(&change->edit, &view->node, size, size);
	if (!change->touched || !change->view) {
		bf_slot_change_abort(change);
		return -ENOMEM;
	}
	return 0;
}

/* The slot of a number; notes how it was before the transaction. */
static struct bf_slot *slot_touch(struct bf_slot_change *change,
				  uint32_t number)
{
	struct bf_slot *slot = bf_slot_get(change->slots, number);
	struct bf_touched *touched;

	if (!slot || slot->stamp == change->edit.stamp)
		return slot;
	slot->stamp = change->edit.stamp;
	touched = &change->touched[change->nr_touched++];
	touched->slot = slot;
	touched->old = slot->region;
	touched->old_gmem = slot->gmem;
	touched->old_tag = slot->tag;
	touched->old_dirty = slot->dirty;
	return slot;
}

const struct bf_mapping *
bf_slot_change_overlap(const struct bf_span_node *root,
		       const struct kvm_userspace_memory_region *region,
		       struct bf_span *span)
{
	const struct bf_span wanted = bf_region_span(region);
	uint64_t gpa = wanted.first;
	struct bf_span_entry *entry;

	while ((entry = bf_span_next(root, gpa, span)) &&
	       span->first <= wanted.last) {
		if (bf_mapping_of(entry)->slot != region->slot)
			return bf_mapping_of(entry);
		/* Does not wrap: no slot has the last page. */
		gpa = span->last + 1;
	}
	return NULL;
}

static int check_overlap(const struct bf_span_node *root,
			 const struct kvm_userspace_memory_region *wanted,
			 struct kvm_userspace_memory_region *existing)
{
	const struct bf_mapping *other;
	struct bf_span span;

	other = bf_slot_change_overlap(root, wanted, &span);
	if (!other)
		return 0;
	*existing = bf_mapping_region(other, span);
	return -EEXIST;
}

static int mapping_add(struct bf_slot_change *change,
		       struct bf_span_node **root,
		       const struct kvm_userspace_memory_region *region,
		       void *tag)
{
	const struct bf_mapping mapping = {
		.hva = region->userspace_addr,
		.slot = region->slot,
		.flags = region->flags,
		.tag = tag,
	};
	struct bf_span_entry *existing;

	return bf_span_add(&change->edit, root, bf_region_span(region),
			   &mapping.span, sizeof(mapping), &existing);
}

static int mapping_set_flags(struct bf_slot_change *change,
			     struct bf_span_node **root,
			     const struct kvm_userspace_memory_region *region)
{
	struct bf_span_entry *entry =
		bf_span_own(&change->edit, root, region->guest_phys_addr);

	if (!entry)
		return -ENOMEM;
	bf_mapping_of(entry)->flags = region->flags;
	return 0;
}

static int edit_tree(struct bf_slot_change *change,
		     enum bf_slot_change_kind kind, const struct bf_slot *slot,
		     const struct kvm_userspace_memory_region *wanted)
{
	const struct kvm_userspace_memory_region *old = &slot->region;
	struct bf_span_node **root = &change->view->roots[wanted->slot >> 16];
	int ret = 0;

	if (kind == BF_CHANGE_FLAGS)
		return mapping_set_flags(change, root, wanted);
	if (kind == BF_CHANGE_REMOVE || kind == BF_CHANGE_MOVE)
		ret = bf_span_remove(&change->edit, root, old->guest_phys_addr);
	if (!ret && (kind == BF_CHANGE_ADD || kind == BF_CHANGE_MOVE))
		ret = mapping_add(change, root, wanted, slot->tag);
	return ret;
}

/* The rules for a change that takes guest addresses. */
static int check_place(struct bf_slot_change *change,
		       enum bf_slot_change_kind kind,
		       const struct kvm_userspace_memory_region *wanted,
		       struct kvm_userspace_memory_region *existing)
{
	const struct bf_span_node *root =
		change->view->roots[wanted->slot >> 16];
	int ret;

	if (kind != BF_CHANGE_ADD && kind != BF_CHANGE_MOVE)
		return 0;
	ret = check_overlap(root, wanted, existing);
	return ret ? ret : bf_rules_check_gpa(&change->slots->config, wanted);
}

/* Allocates at the addition all that a removal without memory needs. */
static int spare_alloc(struct bf_slot *slot)
{
	if (!slot->spare)
		slot->spare = bf_view_new(0);
	return slot->spare ? 0 : -ENOMEM;
}

/* Makes a change that the rules allow for this slot. */
static int slot_apply(struct bf_slot_change *change, struct bf_slot *slot,
		      enum bf_slot_change_kind kind,
		      const struct kvm_userspace_memory_region *wanted,
		      struct kvm_userspace_memory_region *existing)
{
	int ret = check_place(change, kind, wanted, existing);

	if (!ret && kind == BF_CHANGE_ADD)
		ret = spare_alloc(slot);
	if (!ret)
		ret = edit_tree(change, kind, slot, wanted);
	return ret;
}

int bf_slot_change_apply(struct bf_slot_change *change,
			 const struct kvm_userspace_memory_region2 *wanted2,
			 void *tag,
			 struct kvm_userspace_memory_region *existing)
{
	const struct kvm_userspace_memory_region wanted = bf_region_of(wanted2);
	enum bf_slot_change_kind kind;
	struct bf_slot *slot;
	int ret;

	ret = bf_rules_check(&change->slots->config, wanted2);
	if (ret)
		return ret;
	slot = slot_touch(change, wanted.slot);
	if (!slot)
		return -ENOMEM;
	kind = bf_rules_kind(&slot->region, &wanted);
	if (kind == BF_CHANGE_ADD || kind == BF_CHANGE_REMOVE)
		slot->tag = kind == BF_CHANGE_ADD ? tag : NULL;
	else if (kind == BF_CHANGE_REPLACE || bf_rules_are_fixed(&wanted))
		return -EINVAL;
	if (kind == BF_CHANGE_NONE)
		return wanted.memory_size ? 0 : -EINVAL;
	ret = slot_apply(change, slot, kind, &wanted, existing);
	if (ret)
		return ret;
	slot->region = wanted;
	slot->gmem = bf_gmem_of(wanted2);
	return 0;
}

bool bf_slot_change_any(const struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++)
		if (bf_touched_kind(touched) != BF_CHANGE_NONE ||
		    touched->old_tag != touched->slot->tag)
			return true;
	return false;
}

/*
 * A slot that begins to log: a reader of the view before may write to a page
 * and not mark it.
 */
static bool begins_to_log(const struct bf_touched *touched)
{
	return !touched->old_dirty && touched->slot->dirty;
}

static bool touched_waits(const struct bf_touched *touched)
{
	switch (bf_touched_kind(touched)) {
	case BF_CHANGE_REMOVE:
	case BF_CHANGE_MOVE:
	case BF_CHANGE_REPLACE:
		return true;
	case BF_CHANGE_FLAGS:
		return begins_to_log(touched);
	default:
		return false;
	}
}

bool bf_slot_change_waits(const struct bf_slot_change *change)
{
	size_t i;

	for (i = 0; i < change->nr_touched; i++)
		if (touched_waits(&change->touched[i]))
			return true;
	return false;
}

/*
 * The release orders the stores to the nodes and the view before the store of
 * the pointer, against the dependent load in bf_memslots_take().  Without it a
 * reader may follow the pointer to memory that is not written yet.
 */
static void view_publish(struct bf_slots *slots, struct bf_memslots_view *view)
{
	srcu_assign_pointer(slots->map.view, view);
}

void bf_slot_change_publish(struct bf_slot_change *change)
{
	struct bf_memslots_view *view = change->view;

	change->view = bf_slots_view(change->slots);
	view_publish(change->slots, view);
	change->published = true;
}

static void touched_free(struct bf_slot_change *change)
{
	if (change->touched != &change->one)
		free(change->touched);
}

struct bf_memslots_view *bf_slot_change_commit(struct bf_slot_change *change)
{
	struct bf_memslots_view *old = change->view;

	old->replaced = bf_edit_end(&change->edit);
	touched_free(change);
	return old;
}

/* Publishes the old view again; the nodes of the other go with that one. */
static struct bf_memslots_view *view_take_back(struct bf_slot_change *change)
{
	struct bf_memslots_view *taken_back = bf_slots_view(change->slots);

	view_publish(change->slots, change->view);
	taken_back->replaced = LIST_FIRST(&change->edit.made);
	return taken_back;
}

static void slots_undo(struct bf_slot_change *change)
{
	const struct bf_touched *touched = change->touched;
	size_t i;

	for (i = 0; i < change->nr_touched; i++, touched++) {
		touched->slot->region = touched->old;
		touched->slot->gmem = touched->old_gmem;
		touched->slot->tag = touched->old_tag;
		touched->slot->dirty = touched->old_dirty;
	}
}

struct bf_memslots_view *bf_slot_change_abort(struct bf_slot_change *change)
{
	struct bf_memslots_view *taken_back = NULL;

	if (change->published)
		taken_back = view_take_back(change);
	if (change->refused)
		bf_slot_change_mark_lost(change);
	slots_undo(change);
	if (!change->published)
		bf_edit_abort(&change->edit);
	touched_free(change);
	return taken_back;
}
