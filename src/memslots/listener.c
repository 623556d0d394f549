// SPDX-License-Identifier: MIT
/* Listeners: told about each change of the slots, under the map's lock. */
#include <errno.h>
#include <stdlib.h>

#include "memslots/change.h"

struct bf_memslots_listener {
	SLIST_ENTRY(bf_memslots_listener) entry;
	struct bf_memslots *map;
	struct bf_memslots_listener_desc desc;
};

typedef void (*slot_fn)(void *opaque,
			const struct kvm_userspace_memory_region *region,
			void *tag);

static void slot_call(const struct bf_memslots_listener_desc *desc, slot_fn fn,
		      const struct kvm_userspace_memory_region *region,
		      void *tag)
{
	if (fn && region->memory_size)
		fn(desc->opaque, region, tag);
}

static void bracket_call(const struct bf_memslots_listener_desc *desc,
			 void (*fn)(void *opaque))
{
	if (fn)
		fn(desc->opaque);
}

/* Did the slot come, go, or get another place or tag? */
static bool slot_differs(const struct bf_touched *touched)
{
	return touched->old_tag != touched->slot->tag ||
	       (bf_touched_kind(touched) != BF_CHANGE_FLAGS &&
		bf_touched_kind(touched) != BF_CHANGE_NONE);
}

/* Removals first, so that the listener's slots never overlap. */
static void listener_call(const struct bf_memslots_listener_desc *desc,
			  const struct bf_slot_change *change)
{
	const struct bf_touched *touched, *end;

	end = change->touched + change->nr_touched;
	bracket_call(desc, desc->begin);
	for (touched = change->touched; touched < end; touched++)
		if (slot_differs(touched))
			slot_call(desc, desc->remove, &touched->old,
				  touched->old_tag);
	for (touched = change->touched; touched < end; touched++)
		if (slot_differs(touched))
			slot_call(desc, desc->add, &touched->slot->region,
				  touched->slot->tag);
		else if (bf_touched_kind(touched) == BF_CHANGE_FLAGS)
			slot_call(desc, desc->flags, &touched->slot->region,
				  touched->slot->tag);
	bracket_call(desc, desc->commit);
}

void bf_listeners_call(const struct bf_slot_change *change)
{
	const struct bf_memslots_listener *listener;

	if (SLIST_EMPTY(&change->slots->listeners) ||
	    !bf_slot_change_any(change))
		return;
	SLIST_FOREACH(listener, &change->slots->listeners, entry)
	listener_call(&listener->desc, change);
}

/* Tells a new listener about the slots that exist. */
static void listener_replay(const struct bf_memslots_listener_desc *desc,
			    struct bf_slots *slots)
{
	const struct bf_slot *slot;
	uint32_t space, id;

	bracket_call(desc, desc->begin);
	for (space = 0; space < slots->config.spaces; space++)
		for (id = 0; id < slots->ends[space]; id++) {
			slot = bf_slot_find(slots, space << 16 | id);
			if (slot)
				slot_call(desc, desc->add, &slot->region,
					  slot->tag);
		}
	bracket_call(desc, desc->commit);
}

int bf_memslots_listen(struct bf_memslots *map,
		       const struct bf_memslots_listener_desc *desc,
		       struct bf_memslots_listener **listenerp)
{
	struct bf_slots *slots = bf_slots_of(map);
	struct bf_memslots_listener *listener;

	if (!bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	listener = malloc(sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	*listener = (struct bf_memslots_listener){.map = map, .desc = *desc};
	*listenerp = listener;
	pthread_mutex_lock(&slots->lock);
	SLIST_INSERT_HEAD(&slots->listeners, listener, entry);
	listener_replay(desc, slots);
	pthread_mutex_unlock(&slots->lock);
	return 0;
}

void bf_memslots_unlisten(struct bf_memslots_listener *listener)
{
	struct bf_slots *slots = bf_slots_of(listener->map);

	/* Waits for a change in progress, which may call the listener. */
	pthread_mutex_lock(&slots->lock);
	SLIST_REMOVE(&slots->listeners, listener, bf_memslots_listener, entry);
	pthread_mutex_unlock(&slots->lock);
	free(listener);
}
