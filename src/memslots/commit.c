// SPDX-License-Identifier: MIT
/* Changes of a map, from the call to the end of the view that they replace. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "memslots/forward.h"
#include "srcu/wait.h"

static int apply_all(struct bf_slot_change *change,
		     const struct kvm_userspace_memory_region *changes,
		     void *const *tags, size_t count,
		     struct bf_memslots_conflict *conflict)
{
	struct bf_memslots_conflict found = {0};
	int ret;

	for (; found.index < count; found.index++) {
		found.wanted = changes[found.index];
		ret = bf_slot_change_apply(change, &found.wanted,
					   tags ? tags[found.index] : NULL,
					   &found.existing);
		if (!ret)
			continue;
		if (conflict)
			*conflict = found;
		return ret;
	}
	return 0;
}

/*
 * The view to retire after a change, and how.  After a removal the caller waits
 * for its readers, or gets a callback.  Any other view may be freed at any
 * time, also one that was taken back: its slots are those of the view before.
 */
struct retirement {
	struct bf_memslots_view *view;
	bool wait;
	bool async;
	void (*done)(void *opaque);
	void *opaque;
};

static int change_publish(struct bf_slot_change *change)
{
	if (change->slots->guest.set)
		return bf_forward(change);
	bf_slot_change_publish(change);
	bf_listeners_call(change);
	return 0;
}

/* Lock held. */
static int commit(struct bf_slots *slots,
		  const struct kvm_userspace_memory_region *changes,
		  void *const *tags, size_t count,
		  struct bf_memslots_conflict *conflict,
		  struct retirement *retirement)
{
	struct bf_slot_change change;
	int ret = bf_slot_change_begin(&change, slots, count);

	if (ret)
		return ret;
	ret = apply_all(&change, changes, tags, count, conflict);
	if (!ret && !retirement->async && !bf_slot_change_any(&change)) {
		bf_slot_change_abort(&change);
		return 0;
	}
	retirement->wait = !ret && bf_slot_change_leaves(&change);
	if (!ret)
		ret = change_publish(&change);
	retirement->view = ret ? bf_slot_change_abort(&change) :
				 bf_slot_change_commit(&change);
	return ret;
}

/* Asks the guest to remove a slot; 0 where there is no guest. */
static int guest_remove(const struct bf_slots *slots,
			const struct bf_slot *slot)
{
	const struct kvm_userspace_memory_region removal = {
		.slot = slot->region.slot,
	};

	if (!slots->guest.set)
		return 0;
	return slots->guest.set(slots->guest.opaque, &removal);
}

/*
 * Removes a slot in place, because a transaction got no memory; lock held.  The
 * slot's mapping stays in a published leaf and loses its size; the next slot at
 * these addresses drops the mapping (bf_span_add()).
 *
 * As removals are forwarded: the map first, and back if the guest refuses.
 *
 * A snapshot that was taken before may see the slot go, one of an older view
 * that shares the leaf as well.  The grace period after the removal waits for
 * all of them.
 */
static int slot_clear(struct bf_slots *slots, struct bf_slot *slot,
		      struct bf_memslots_view **retired)
{
	struct bf_span_node *root =
		bf_slots_view(slots)->roots[slot->region.slot >> 16];
	struct bf_slot_change cleared = {
		.slots = slots,
		.touched = &cleared.one,
		.nr_touched = 1,
	};
	int ret;

	bf_span_set_size(root, slot->region.guest_phys_addr, 0);
	ret = guest_remove(slots, slot);
	if (ret) {
		bf_span_set_size(root, slot->region.guest_phys_addr,
				 slot->region.memory_size);
		return ret;
	}
	cleared.one = (struct bf_touched){slot, slot->region, slot->tag};
	slot->region = (struct kvm_userspace_memory_region){
		.slot = slot->region.slot,
	};
	slot->tag = NULL;
	bf_listeners_call(&cleared);
	*retired = slot->spare;
	slot->spare = NULL;
	return 0;
}

static int remove_in_place(struct bf_slots *slots,
			   const struct kvm_userspace_memory_region *removal,
			   struct bf_memslots_view **retired)
{
	struct bf_slot *slot;
	int ret = bf_rules_check(&slots->config, removal);

	if (ret)
		return ret;
	slot = bf_slot_find(slots, removal->slot);
	return slot ? slot_clear(slots, slot, retired) : -EINVAL;
}

/*
 * Lock held.  -ENOMEM with a view to retire is the guest's answer: the removal
 * was published, so it had its memory here.
 */
static int commit_or_clear(struct bf_slots *slots,
			   const struct kvm_userspace_memory_region *changes,
			   void *const *tags, size_t count,
			   struct bf_memslots_conflict *conflict,
			   struct retirement *retirement)
{
	int ret = commit(slots, changes, tags, count, conflict, retirement);

	if (ret != -ENOMEM || retirement->view || count != 1 ||
	    changes->memory_size)
		return ret;
	ret = remove_in_place(slots, changes, &retirement->view);
	retirement->wait = !ret;
	if (ret == -EINVAL && conflict)
		*conflict = (struct bf_memslots_conflict){.wanted = *changes};
	return ret;
}

/* Without the lock, because a reader may take long to end its section. */
static void view_end(struct bf_memslots *map, struct retirement *retirement)
{
	struct bf_memslots_view *view = retirement->view;

	if (retirement->async) {
		view->done = retirement->done;
		view->opaque = retirement->opaque;
		if (!bf_pins_defer(bf_slots_of(map), view))
			call_srcu_expedited(&map->srcu, &view->head,
					    bf_view_called);
	} else if (retirement->wait) {
		bf_pins_wait(bf_slots_of(map), view);
		synchronize_srcu_expedited(&map->srcu);
		bf_view_retire(view);
	} else if (bf_srcu_gp_try(&map->srcu)) {
		bf_view_retire(view);
	} else {
		call_srcu(&map->srcu, &view->head, bf_view_called);
	}
}

static int commit_and_end(struct bf_memslots *map,
			  const struct kvm_userspace_memory_region *changes,
			  void *const *tags, size_t count,
			  struct bf_memslots_conflict *conflict,
			  struct retirement *retirement)
{
	struct bf_slots *slots = bf_slots_of(map);
	int ret;

	pthread_mutex_lock(&slots->lock);
	ret = commit_or_clear(slots, changes, tags, count, conflict,
			      retirement);
	if (!ret && retirement->wait)
		bf_pins_revoke(slots, retirement->view);
	pthread_mutex_unlock(&slots->lock);
	if (ret)
		retirement->async = retirement->wait = false;
	if (retirement->view)
		view_end(map, retirement);
	return ret;
}

int bf_memslots_commit(struct bf_memslots *map,
		       const struct kvm_userspace_memory_region *changes,
		       void *const *tags, size_t count,
		       struct bf_memslots_conflict *conflict)
{
	struct retirement retirement = {0};

	if (!count)
		return 0;
	return commit_and_end(map, changes, tags, count, conflict, &retirement);
}

int bf_memslots_commit_async(struct bf_memslots *map,
			     const struct kvm_userspace_memory_region *changes,
			     void *const *tags, size_t count,
			     void (*done)(void *opaque), void *opaque,
			     struct bf_memslots_conflict *conflict)
{
	struct retirement retirement = {
		.async = true,
		.done = done,
		.opaque = opaque,
	};

	return commit_and_end(map, changes, tags, count, conflict, &retirement);
}

int bf_memslots_set(struct bf_memslots *map,
		    const struct kvm_userspace_memory_region *change)
{
	return bf_memslots_commit(map, change, NULL, 1, NULL);
}

int bf_memslots_remove(struct bf_memslots *map, uint32_t slot)
{
	const struct kvm_userspace_memory_region change = {.slot = slot};

	return bf_memslots_commit(map, &change, NULL, 1, NULL);
}

int bf_memslots_remove_async(struct bf_memslots *map, uint32_t slot,
			     void (*done)(void *opaque), void *opaque)
{
	const struct kvm_userspace_memory_region change = {.slot = slot};

	return bf_memslots_commit_async(map, &change, NULL, 1, done, opaque,
					NULL);
}

static int format_region(const struct kvm_userspace_memory_region *region,
			 char *buf, size_t size)
{
	uint64_t last = region->guest_phys_addr + region->memory_size - 1;

	if (!region->memory_size)
		return snprintf(buf, size, "slot %u, removed",
				(unsigned int)region->slot);
	return snprintf(buf, size, "slot %u [%#" PRIx64 ", %#" PRIx64 "]",
			(unsigned int)region->slot,
			(uint64_t)region->guest_phys_addr, last);
}

int bf_memslots_conflict_format(const struct bf_memslots_conflict *conflict,
				char *buf, size_t size)
{
	char wanted[80], existing[80];

	format_region(&conflict->wanted, wanted, sizeof(wanted));
	format_region(&conflict->existing, existing, sizeof(existing));
	if (!conflict->existing.memory_size)
		return snprintf(buf, size, "change %zu: %s", conflict->index,
				wanted);
	return snprintf(buf, size, "change %zu: %s overlaps %s",
			conflict->index, wanted, existing);
}
