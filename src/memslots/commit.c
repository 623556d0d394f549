// SPDX-License-Identifier: MIT
/* Changes of a map, from the call to the end of the view that they replace. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "memslots/change.h"

/* A transaction as the caller asks for it, and what is left to do behind it. */
struct request {
	/* Of one of the two kinds; the other one is NULL. */
	const struct kvm_userspace_memory_region *changes;
	const struct kvm_userspace_memory_region2 *changes2;
	void *const *tags;
	size_t count;
	struct bf_memslots_conflict *conflict;
	bool async;
	void (*done)(void *opaque);
	void *opaque;
	/*
	 * The view to retire.  If bf_slot_change_waits(), the caller waits for
	 * its readers, or gets a callback.  Any other view may be freed at any
	 * time, also one that was taken back: its slots are those of the view
	 * before.
	 */
	struct bf_memslots_view *view;
	bool wait;
};

static void note_conflict(const struct request *request,
			  const struct bf_memslots_conflict *conflict)
{
	if (request->conflict)
		*request->conflict = *conflict;
}

static struct kvm_userspace_memory_region2
request_change(const struct request *request, size_t i)
{
	if (request->changes2)
		return request->changes2[i];
	return bf_region2_of(&request->changes[i], (struct bf_gmem){0});
}

static int apply_one(struct bf_slot_change *change,
		     const struct request *request,
		     struct bf_memslots_conflict *found)
{
	const struct kvm_userspace_memory_region2 wanted =
		request_change(request, found->index);
	void *tag = request->tags ? request->tags[found->index] : NULL;

	found->wanted = bf_region_of(&wanted);
	if (!request->changes2 && wanted.flags & KVM_MEM_GUEST_MEMFD)
		return -EINVAL;
	return bf_slot_change_apply(change, &wanted, tag, &found->existing);
}

static int apply_all(struct bf_slot_change *change,
		     const struct request *request)
{
	struct bf_memslots_conflict found = {0};
	int ret;

	for (; found.index < request->count; found.index++) {
		ret = apply_one(change, request, &found);
		if (ret) {
			note_conflict(request, &found);
			return ret;
		}
	}
	return bf_slot_change_dirty(change);
}

static int change_publish(struct bf_slot_change *change)
{
	if (change->slots->guest.set)
		return bf_forward(change);
	bf_slot_change_publish(change);
	bf_listeners_call(change);
	return 0;
}

/* Lock held. */
static int commit(struct bf_slots *slots, struct request *request)
{
	struct bf_slot_change change;
	int ret = bf_slot_change_begin(&change, slots, request->count);

	if (ret)
		return ret;
	ret = apply_all(&change, request);
	if (!ret && !request->async && !bf_slot_change_any(&change)) {
		bf_slot_change_abort(&change);
		return 0;
	}
	request->wait = !ret && bf_slot_change_waits(&change);
	if (!ret)
		ret = change_publish(&change);
	request->view = ret ? bf_slot_change_abort(&change) :
			      bf_slot_change_commit(&change);
	return ret;
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
	const struct kvm_userspace_memory_region2 removed = {
		.slot = slot->region.slot,
	};
	struct bf_slot_change cleared = {
		.slots = slots,
		.one = {slot, slot->region, slot->gmem, slot->tag, slot->dirty},
		.touched = &cleared.one,
		.nr_touched = 1,
	};
	int ret = 0;

	bf_span_set_size(root, slot->region.guest_phys_addr, 0);
	if (slots->guest.set)
		ret = slots->guest.set(slots->guest.opaque, &removed);
	if (ret) {
		bf_span_set_size(root, slot->region.guest_phys_addr,
				 slot->region.memory_size);
		bf_dirty_mark_all(slot->dirty, slot->region.memory_size);
		return ret;
	}
	slot->region = bf_region_of(&removed);
	slot->gmem = (struct bf_gmem){0};
	slot->tag = NULL;
	bf_listeners_call(&cleared);
	*retired = slot->spare;
	slot->spare = NULL;
	bf_dirty_retire(slot, *retired);
	return 0;
}

static int remove_in_place(struct bf_slots *slots, struct request *request,
			   const struct kvm_userspace_memory_region2 *removal)
{
	struct bf_slot *slot;
	int ret = bf_rules_check(&slots->config, removal);

	if (ret)
		return ret;
	slot = bf_slot_find(slots, removal->slot);
	return slot ? slot_clear(slots, slot, &request->view) : -EINVAL;
}

/*
 * Lock held.  -ENOMEM with a view to retire is the guest's answer: the removal
 * was published, so it had its memory here.
 */
static int commit_or_clear(struct bf_slots *slots, struct request *request)
{
	struct kvm_userspace_memory_region2 change;
	int ret = commit(slots, request);

	if (ret != -ENOMEM || request->view || request->count != 1)
		return ret;
	change = request_change(request, 0);
	if (change.memory_size)
		return ret;
	ret = remove_in_place(slots, request, &change);
	request->wait = !ret;
	if (ret == -EINVAL)
		note_conflict(request,
			      &(struct bf_memslots_conflict){
				      .wanted = bf_region_of(&change)});
	return ret;
}

/* A view without memory to give back is freed at any time.  Lock held. */
static void view_defer(struct bf_slots *slots, struct bf_memslots_view *view)
{
	bf_deferred_add(&slots->deferred, &view->head, bf_view_called);
	bf_deferred_free(&slots->map.srcu, &slots->deferred);
}

/*
 * Ends the view of a removal, or of a change with a callback.  Without the
 * lock, because a reader may take long to end its section.
 */
static void view_end(struct bf_slots *slots, const struct request *request)
{
	struct bf_memslots_view *view = request->view;

	if (request->async) {
		view->done = request->done;
		view->opaque = request->opaque;
		if (!bf_pins_defer(slots, view))
			call_srcu_expedited(&slots->map.srcu, &view->head,
					    bf_view_called);
	} else {
		bf_pins_wait(slots, view);
		synchronize_srcu_expedited(&slots->map.srcu);
		bf_view_retire(view);
	}
}

static int commit_and_end(struct bf_memslots *map, struct request *request)
{
	struct bf_slots *slots = bf_slots_of(map);
	int ret;

	pthread_mutex_lock(&slots->lock);
	ret = commit_or_clear(slots, request);
	if (ret)
		request->async = request->wait = false;
	if (request->wait)
		bf_pins_revoke(slots, request->view);
	if (request->view && !request->async && !request->wait)
		view_defer(slots, request->view);
	pthread_mutex_unlock(&slots->lock);
	if (request->view && (request->async || request->wait))
		view_end(slots, request);
	return ret;
}

int bf_memslots_commit(struct bf_memslots *map,
		       const struct kvm_userspace_memory_region *changes,
		       void *const *tags, size_t count,
		       struct bf_memslots_conflict *conflict)
{
	struct request request = {
		.changes = changes,
		.tags = tags,
		.count = count,
		.conflict = conflict,
	};

	return count ? commit_and_end(map, &request) : 0;
}

int bf_memslots_commit2(struct bf_memslots *map,
			const struct kvm_userspace_memory_region2 *changes,
			void *const *tags, size_t count,
			struct bf_memslots_conflict *conflict)
{
	struct request request = {
		.changes2 = changes,
		.tags = tags,
		.count = count,
		.conflict = conflict,
	};

	return count ? commit_and_end(map, &request) : 0;
}

int bf_memslots_commit_async(struct bf_memslots *map,
			     const struct kvm_userspace_memory_region *changes,
			     void *const *tags, size_t count,
			     void (*done)(void *opaque), void *opaque,
			     struct bf_memslots_conflict *conflict)
{
	struct request request = {
		.changes = changes,
		.tags = tags,
		.count = count,
		.conflict = conflict,
		.async = true,
		.done = done,
		.opaque = opaque,
	};

	return commit_and_end(map, &request);
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
