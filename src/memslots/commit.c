// SPDX-License-Identifier: MIT
/* Changes of a map, from the caller's call to the end of the old view. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "memslots/clear.h"
#include "memslots/forward.h"
#include "srcu/wait.h"

static int apply_all(struct bf_slot_change *change,
		     const struct kvm_userspace_memory_region *changes,
		     size_t count, struct bf_memslots_conflict *conflict)
{
	struct bf_memslots_conflict found = {0};
	int ret;

	for (; found.index < count; found.index++) {
		found.wanted = changes[found.index];
		ret = bf_slot_change_apply(change, &found.wanted,
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
 * What is to be retired, and how.  After a removal the caller waits, or is
 * called back.  Otherwise nobody cares when it happens, not for a view that was
 * taken back either: it has no memory that the other has not.
 */
struct ending {
	struct bf_memslots_view *view;
	bool wait;
	bool async;
	void (*done)(void *opaque);
	void *opaque;
};

static int publish(struct bf_slot_change *change)
{
	if (change->slots->guest.set)
		return bf_forward(change);
	bf_slot_change_publish(change);
	return 0;
}

/* Lock held. */
static int commit(struct bf_slots *slots,
		  const struct kvm_userspace_memory_region *changes,
		  size_t count, struct bf_memslots_conflict *conflict,
		  struct ending *ending)
{
	struct bf_slot_change change;
	int ret = bf_slot_change_begin(&change, slots, count);

	if (ret)
		return ret;
	ret = apply_all(&change, changes, count, conflict);
	if (!ret && !ending->async && !bf_slot_change_any(&change)) {
		bf_slot_change_abort(&change);
		return 0;
	}
	ending->wait = !ret && bf_slot_change_leaves(&change);
	if (!ret)
		ret = publish(&change);
	ending->view = ret ? bf_slot_change_abort(&change) :
			     bf_slot_change_commit(&change);
	return ret;
}

/*
 * Lock held.  A view to be ended after -ENOMEM was published: it is KVM that
 * had no memory for the removal.
 */
static int commit_or_clear(struct bf_slots *slots,
			   const struct kvm_userspace_memory_region *changes,
			   size_t count, struct bf_memslots_conflict *conflict,
			   struct ending *ending)
{
	int ret = commit(slots, changes, count, conflict, ending);

	if (ret != -ENOMEM || ending->view || count != 1 ||
	    changes->memory_size)
		return ret;
	ret = bf_slot_clear(slots, changes, &ending->view);
	ending->wait = !ret;
	if (ret == -EINVAL && conflict)
		*conflict = (struct bf_memslots_conflict){.wanted = *changes};
	return ret;
}

/* No lock held: a reader may hold this up for long. */
static void end(struct bf_memslots *map, struct ending *ending, int ret)
{
	struct bf_memslots_view *view = ending->view;

	if (!view)
		return;
	if (ending->async && !ret) {
		view->done = ending->done;
		view->opaque = ending->opaque;
		call_srcu_expedited(&map->srcu, &view->head, bf_view_called);
	} else if (ending->wait && !ret) {
#ifndef BF_MEMSLOTS_BREAK_REMOVAL
		synchronize_srcu_expedited(&map->srcu);
#endif
		bf_view_retire(view);
#ifdef BF_MEMSLOTS_BREAK_VIEW
	} else {
		bf_view_retire(view);
#else
	} else if (bf_srcu_gp_try(&map->srcu)) {
		bf_view_retire(view);
	} else {
		call_srcu(&map->srcu, &view->head, bf_view_called);
#endif
	}
}

static int commit_and_end(struct bf_memslots *map,
			  const struct kvm_userspace_memory_region *changes,
			  size_t count, struct bf_memslots_conflict *conflict,
			  struct ending *ending)
{
	struct bf_slots *slots = bf_slots_of(map);
	int ret;

	pthread_mutex_lock(&slots->lock);
	ret = commit_or_clear(slots, changes, count, conflict, ending);
	pthread_mutex_unlock(&slots->lock);
	end(map, ending, ret);
	return ret;
}

int bf_memslots_commit(struct bf_memslots *map,
		       const struct kvm_userspace_memory_region *changes,
		       size_t count, struct bf_memslots_conflict *conflict)
{
	struct ending ending = {0};

	if (!count)
		return 0;
	return commit_and_end(map, changes, count, conflict, &ending);
}

int bf_memslots_commit_async(struct bf_memslots *map,
			     const struct kvm_userspace_memory_region *changes,
			     size_t count,
			     struct bf_memslots_conflict *conflict,
			     void (*done)(void *opaque), void *opaque)
{
	struct ending ending = {
		.async = true,
		.done = done,
		.opaque = opaque,
	};

	return commit_and_end(map, changes, count, conflict, &ending);
}

int bf_memslots_set(struct bf_memslots *map,
		    const struct kvm_userspace_memory_region *change)
{
	return bf_memslots_commit(map, change, 1, NULL);
}

int bf_memslots_remove(struct bf_memslots *map, uint32_t slot)
{
	const struct kvm_userspace_memory_region change = {.slot = slot};

	return bf_memslots_commit(map, &change, 1, NULL);
}

int bf_memslots_remove_async(struct bf_memslots *map, uint32_t slot,
			     void (*done)(void *opaque), void *opaque)
{
	const struct kvm_userspace_memory_region change = {.slot = slot};

	return bf_memslots_commit_async(map, &change, 1, NULL, done, opaque);
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
