/* SPDX-License-Identifier: MIT */
/* Notifications of a change: listeners, and holders of pins. */
#ifndef BF_MEMSLOTS_NOTIFY_H
#define BF_MEMSLOTS_NOTIFY_H

#include "memslots/change.h"

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
