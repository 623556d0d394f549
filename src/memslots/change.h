/* SPDX-License-Identifier: MIT */
/*
 * A transaction: the next view in the making, and what it takes to be rid of
 * it again.
 */
#ifndef BF_MEMSLOTS_CHANGE_H
#define BF_MEMSLOTS_CHANGE_H

#include "memslots/memslots.h"
#include "memslots/rules.h"

/* A slot that the transaction touched. */
struct bf_touched {
	struct bf_slot *slot;
	struct kvm_userspace_memory_region old;
};

struct bf_slot_change {
	struct bf_slots *slots;
	struct bf_memslots_view *view; /* the next; once published, the last */
	struct bf_slot_edit edit;
	struct bf_touched one, *touched; /* for a single change, or as many */
	size_t nr_touched;
	bool published;
};

/*
 * Lock held from begin to commit or abort.  count is the most changes to come.
 * 0 or -ENOMEM, whereupon nothing is left to be aborted.
 */
int bf_slot_change_begin(struct bf_slot_change *change, struct bf_slots *slots,
			 size_t count);

/*
 * Makes one change in the next view.  0 or a negative errno; then *existing is
 * the slot in the way, if it was one.
 */
int bf_slot_change_apply(struct bf_slot_change *change,
			 const struct kvm_userspace_memory_region *wanted,
			 struct kvm_userspace_memory_region *existing);

/* The first slot of another number that overlaps a region in a tree. */
const struct bf_mapping *
bf_slot_change_overlap(const struct bf_slot_node *root,
		       const struct kvm_userspace_memory_region *region,
		       uint64_t *first);

static inline enum bf_slot_change_kind
bf_touched_kind(const struct bf_touched *touched)
{
	return bf_rules_net_kind(&touched->old, &touched->slot->region);
}

/* Was any slot changed?  Does any memory leave its place? */
bool bf_slot_change_any(const struct bf_slot_change *change);
bool bf_slot_change_leaves(const struct bf_slot_change *change);

/* Readers see the next view from now on. */
void bf_slot_change_publish(struct bf_slot_change *change);

/* It has been published and stays; the view that it replaced. */
struct bf_memslots_view *bf_slot_change_commit(struct bf_slot_change *change);

/*
 * Everything is as it was before; where the next view had been published, the
 * old one is published again, and readers may still be in the other: it is the
 * result, to be retired.
 */
struct bf_memslots_view *bf_slot_change_abort(struct bf_slot_change *change);

#endif
