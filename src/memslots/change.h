/* SPDX-License-Identifier: MIT */
/* A transaction: the next view, and how to undo it. */
#ifndef BF_MEMSLOTS_CHANGE_H
#define BF_MEMSLOTS_CHANGE_H

#include "memslots/memslots.h"

enum bf_slot_change_kind {
	BF_CHANGE_NONE,
	BF_CHANGE_ADD,
	BF_CHANGE_REMOVE,
	BF_CHANGE_MOVE,
	BF_CHANGE_FLAGS,
	/* Removed, and added again; not in one change. */
	BF_CHANGE_REPLACE,
};

/* Are a slot's number and its address space in range? */
static inline bool bf_rules_has_number(const struct bf_memslots_config *config,
				       uint32_t number)
{
	return (number & 0xffff) < config->slots &&
	       number >> 16 < config->spaces;
}

/* KVM adds and removes a slot with a guest_memfd, and does not change it. */
static inline bool
bf_rules_are_fixed(const struct kvm_userspace_memory_region *region)
{
	return region->memory_size && region->flags & KVM_MEM_GUEST_MEMFD;
}

/* The checks of a change that need no slots: 0 or -EINVAL. */
int bf_rules_check(const struct bf_memslots_config *config,
		   const struct kvm_userspace_memory_region2 *change);

/* 0 or -EINVAL: beyond the addresses of the guest. */
int bf_rules_check_gpa(const struct bf_memslots_config *config,
		       const struct kvm_userspace_memory_region *change);

/* The kind of a change, or of all changes of a slot together. */
enum bf_slot_change_kind
bf_rules_kind(const struct kvm_userspace_memory_region *old,
	      const struct kvm_userspace_memory_region *now);

/* A slot that a transaction touched. */
struct bf_touched {
	struct bf_slot *slot;
	struct kvm_userspace_memory_region old;
	struct bf_gmem old_gmem;
	void *old_tag;
	struct bf_dirty *old_dirty;
};

struct bf_slot_change {
	struct bf_slots *slots;
	struct bf_memslots_view *view; /* the next; once published, the last */
	struct bf_edit edit;
	struct bf_touched one, *touched; /* for a single change, or an array */
	size_t nr_touched;
	bool published;
	bool paused;  /* the vCPUs, by bf_forward() */
	bool refused; /* by the guest */
};

/*
 * Begins a transaction of at most count changes.  The lock is held until commit
 * or abort.  Returns 0, or -ENOMEM with nothing to abort.
 */
int bf_slot_change_begin(struct bf_slot_change *change, struct bf_slots *slots,
			 size_t count);

/*
 * Makes one change in the next view; a slot that is added gets the tag. Returns
 * 0 or a negative errno.  After -EEXIST *existing is the slot in the way.
 */
int bf_slot_change_apply(struct bf_slot_change *change,
			 const struct kvm_userspace_memory_region2 *wanted,
			 void *tag,
			 struct kvm_userspace_memory_region *existing);

/*
 * The first slot with another number that overlaps a region, and its span;
 * NULL: there is none.
 */
const struct bf_mapping *
bf_slot_change_overlap(const struct bf_span_node *root,
		       const struct kvm_userspace_memory_region *region,
		       struct bf_span *span);

/* Does a slot with a guest_memfd get another place or another file? */
static inline bool bf_touched_rebinds(const struct bf_touched *touched)
{
	const struct bf_slot *slot = touched->slot;

	return bf_rules_are_fixed(&touched->old) &&
	       bf_rules_are_fixed(&slot->region) &&
	       (touched->old.guest_phys_addr != slot->region.guest_phys_addr ||
		touched->old_gmem.fd != slot->gmem.fd ||
		touched->old_gmem.offset != slot->gmem.offset);
}

static inline enum bf_slot_change_kind
bf_touched_kind(const struct bf_touched *touched)
{
	if (bf_touched_rebinds(touched))
		return BF_CHANGE_REPLACE;
	return bf_rules_kind(&touched->old, &touched->slot->region);
}

/*
 * Gives each slot that the transaction touched its bitmap, or takes it away,
 * when all changes are made.  Returns 0 or -ENOMEM.
 */
int bf_slot_change_dirty(struct bf_slot_change *change);

/* Does any slot differ from the slot before? */
bool bf_slot_change_any(const struct bf_slot_change *change);
/*
 * Is the change complete only behind the readers of the view before: does any
 * slot leave its guest addresses, or begin to log?
 */
bool bf_slot_change_waits(const struct bf_slot_change *change);

/*
 * Marks all pages of the slots that were removed, or had no flag, and have it
 * again: KVM has forgotten its log of them, and devices could not mark.
 */
void bf_slot_change_mark_lost(const struct bf_slot_change *change);

/* Marks all pages of a slot of a size; dirty NULL: it does not log. */
void bf_dirty_mark_all(struct bf_dirty *dirty, uint64_t size);

/* Frees the bitmap of a removed slot, if it has one, with a view. */
void bf_dirty_retire(struct bf_slot *slot, struct bf_memslots_view *view);

/* Readers see the next view from now on. */
void bf_slot_change_publish(struct bf_slot_change *change);

/* Ends a published transaction; returns the view that it replaced. */
struct bf_memslots_view *bf_slot_change_commit(struct bf_slot_change *change);

/*
 * Undoes a transaction.  If the next view was published, the old one is again,
 * and the result is the view to retire, in which readers may still be.
 */
struct bf_memslots_view *bf_slot_change_abort(struct bf_slot_change *change);

/* Asks KVM for numbers that the configuration leaves 0; 0 or an errno. */
int bf_forward_ask(struct bf_memslots_config *config);

/* The set function of a map that forwards to KVM; opaque is its bf_slots. */
int bf_forward_set(void *opaque,
		   const struct kvm_userspace_memory_region2 *change);

/*
 * Makes a transaction in the guest, publishes it in between, and calls the
 * listeners before paused vCPUs resume.  Returns 0, or a negative errno with
 * the guest as before; then the transaction, which may have been published,
 * must be aborted.
 */
int bf_forward(struct bf_slot_change *change);

/* Calls the listeners for a published change that goes on; lock held. */
void bf_listeners_call(const struct bf_slot_change *change);

/*
 * Revokes the pins that the published view does not map as they were; lock
 * held.  The end of the retired view waits for these pins.
 */
void bf_pins_revoke(struct bf_slots *slots, struct bf_memslots_view *retired);

/* Sleeps until the pins that hold a retired view are gone. */
void bf_pins_wait(struct bf_slots *slots, struct bf_memslots_view *retired);

/*
 * Makes the last unpin queue the callback of a retired view.  Returns false if
 * no pin holds the view: the caller queues the callback.
 */
bool bf_pins_defer(struct bf_slots *slots, struct bf_memslots_view *retired);

#endif
