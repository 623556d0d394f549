// SPDX-License-Identifier: MIT
/*
 * Pins: guest memory that a holder uses outside of snapshots.
 *
 * pin_lock orders bf_memslots_pin() against removals.  A removal publishes its
 * view before it takes pin_lock and revokes; a holder searches the published
 * view under pin_lock.  Either the holder's search comes first, and the removal
 * finds the pin on the list, or the search sees the view without the slot.
 *
 * A removal first waits for its pins, and then for a grace period.
 */
#include <errno.h>
#include <stdlib.h>

#include "memslots/change.h"

struct bf_memslots_pinned {
	LIST_ENTRY(bf_memslots_pinned) entry;
	struct bf_memslots *map;
	struct bf_memslots_pin_desc desc;
	void *hva;
	struct bf_memslots_view *held; /* not NULL: the pin was revoked */
};

/* The host address of a pin's memory in the published view, or NULL. */
static void *pin_search(const struct bf_memslots_pinned *pin)
{
	const struct bf_memslots_pin_desc *desc = &pin->desc;
	struct bf_memslots_snapshot snapshot;
	void *hva;

	bf_memslots_take(pin->map, &snapshot);
	hva = bf_memslots_hva(&snapshot, desc->space, desc->gpa, desc->len,
			      desc->write);
	bf_memslots_drop(&snapshot);
	return hva;
}

int bf_memslots_pin(struct bf_memslots *map,
		    const struct bf_memslots_pin_desc *desc,
		    struct bf_memslots_pinned **pinp, void **hvap)
{
	struct bf_slots *slots = bf_slots_of(map);
	struct bf_memslots_pinned *pin;
	void *hva;

	if (!desc->revoke || !bf_reserved_is_zero(desc->reserved))
		return -EINVAL;
	pin = malloc(sizeof(*pin));
	if (!pin)
		return -ENOMEM;
	*pin = (struct bf_memslots_pinned){.map = map, .desc = *desc};
	pthread_mutex_lock(&slots->pin_lock);
	hva = pin_search(pin);
	if (hva) {
		pin->hva = hva;
		LIST_INSERT_HEAD(&slots->pins, pin, entry);
		/* With the lock, because revoke() may free the pin behind it. */
		*pinp = pin;
		*hvap = hva;
	}
	pthread_mutex_unlock(&slots->pin_lock);
	if (hva)
		return 0;
	free(pin);
	return -ENOENT;
}

void bf_memslots_unpin(struct bf_memslots_pinned *pin)
{
	struct bf_slots *slots = bf_slots_of(pin->map);
	struct bf_memslots_view *view;
	bool deferred = false;

	pthread_mutex_lock(&slots->pin_lock);
	LIST_REMOVE(pin, entry);
	view = pin->held;
	if (view && !--view->pins) {
		deferred = view->deferred;
		pthread_cond_broadcast(&slots->unpinned);
	}
	pthread_mutex_unlock(&slots->pin_lock);
	/* Otherwise the thread that sleeps in bf_pins_wait() frees the view. */
	if (deferred)
		call_srcu_expedited(&slots->map.srcu, &view->head,
				    bf_view_called);
	free(pin);
}

/* pin_lock held. */
static void pin_revoke(struct bf_memslots_pinned *pin,
		       struct bf_memslots_view *retired)
{
	if (pin->desc.revoke(pin->desc.opaque)) {
		LIST_REMOVE(pin, entry);
		free(pin);
		return;
	}
	pin->held = retired;
	retired->pins++;
}

void bf_pins_revoke(struct bf_slots *slots, struct bf_memslots_view *retired)
{
	struct bf_memslots_pinned *pin, *next;

	pthread_mutex_lock(&slots->pin_lock);
	for (pin = LIST_FIRST(&slots->pins); pin; pin = next) {
		next = LIST_NEXT(pin, entry);
		if (!pin->held && pin_search(pin) != pin->hva)
			pin_revoke(pin, retired);
	}
	pthread_mutex_unlock(&slots->pin_lock);
}

void bf_pins_wait(struct bf_slots *slots, struct bf_memslots_view *retired)
{
	pthread_mutex_lock(&slots->pin_lock);
	while (retired->pins)
		pthread_cond_wait(&slots->unpinned, &slots->pin_lock);
	pthread_mutex_unlock(&slots->pin_lock);
}

bool bf_pins_defer(struct bf_slots *slots, struct bf_memslots_view *retired)
{
	bool deferred;

	pthread_mutex_lock(&slots->pin_lock);
	deferred = retired->pins;
	retired->deferred = deferred;
	pthread_mutex_unlock(&slots->pin_lock);
	return deferred;
}
