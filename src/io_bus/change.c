// SPDX-License-Identifier: MIT
/* Changes: begun, published or given up; and what they replaced. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/bell_lookaside.h"
#include "base/util.h"

#ifdef BF_BREAK_RESEAL_ORDER
#define RESEAL_ORDER __ATOMIC_RELAXED
#else
#define RESEAL_ORDER __ATOMIC_RELEASE
#endif

/* So few that nobody waits long for the lock. */
#define FREED_AT_ONCE 64

static void free_nodes(struct bf_io_bus *bus, struct bf_node *list)
{
	while (list) {
		pthread_mutex_lock(&bus->lock);
		list = bf_nodes_free(list, FREED_AT_ONCE);
		pthread_mutex_unlock(&bus->lock);
	}
}

static void free_state(struct srcu_head *head)
{
	struct bf_io_state *state =
		container_of(head, struct bf_io_state, head);

	free_nodes(state->bus, state->replaced);
	free(state);
}

/*
 * What a change works on, with the bus locked: a copy of what accesses may be
 * looking at; what is hidden, as it is.  NULL: no memory.
 */
static struct bf_io_state *state_to_change(const struct bf_io_bus *bus)
{
	struct bf_io_state *copy;

	if (!bus->state)
		return bus->latest;
	copy = malloc(sizeof(*copy));
	if (copy)
		*copy = *bus->latest;
	return copy;
}

int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	change->bus = bus;
	change->spaces = 0;
	change->state = state_to_change(bus);
	if (!change->state) {
		pthread_mutex_unlock(&bus->lock);
		return -ENOMEM;
	}
	bf_edit_begin(&change->edit, &bus->nodes, bus->changes + 1);
	return 0;
}

void bf_change_counts(struct bf_io_bus *bus)
{
	__atomic_store_n(&bus->changes, bus->changes + 1, __ATOMIC_RELAXED);
}

static void renew(uint64_t *seal, uint64_t low)
{
	*seal = bf_new_seal((*seal & BF_SEAL_GRAIN) | low);
}

static bool is_shared(const struct bf_io_roots *roots)
{
#ifdef BF_BREAK_SHARED
	return false;
#endif
	return roots->doorbells || roots->zones;
}

/*
 * What accesses found before is not to be used where it may not hold.  True:
 * there are new seals to publish.
 */
static bool seal(struct bf_io_roots *new, const struct bf_io_roots *old)
{
	const bool counts = new->counting != old->counting;
	const bool shared = is_shared(new);
	const bool ranges = counts || shared != is_shared(old) ||
			    new->ranges != old->ranges;
	const bool bells = counts || new->doorbells != old->doorbells;

#ifndef BF_BREAK_RANGE_SEAL
	if (ranges)
		renew(&new->seals.ranges, shared ? BF_SEAL_SHARED : 0);
#endif
#ifndef BF_BREAK_BELL_SEAL
	if (bells)
		renew(&new->seals.bells, 0);
#endif
	return ranges || bells;
}

/* The spaces that have new seals, as bits. */
static unsigned int seal_all(const struct bf_change *change)
{
	unsigned int spaces = change->spaces, space, sealed = 0;

	for (; spaces; spaces &= spaces - 1) {
		space = (unsigned int)__builtin_ctz(spaces);
		if (seal(&change->state->space[space], &change->before[space]))
			sealed |= 1U << space;
	}
	return sealed;
}

/* Relaxed: it is before a release, of the state or of what clears in it. */
static void unseal(struct bf_io_bus *bus, unsigned int sealed)
{
	struct bf_io_seals *seals;

	for (; sealed; sealed &= sealed - 1) {
		seals = &bus->seals[__builtin_ctz(sealed)];
		__atomic_store_n(&seals->bells, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&seals->ranges, 0, __ATOMIC_RELAXED);
	}
}

/*
 * Those that may be used without a look at the state.  Release: after the
 * state, or the change in place, that they hold for.
 */
static void publish_seals(struct bf_io_bus *bus, unsigned int sealed)
{
	const struct bf_io_roots *roots;
	unsigned int space;

	for (; sealed; sealed &= sealed - 1) {
		space = (unsigned int)__builtin_ctz(sealed);
		roots = &bus->latest->space[space];
		if (roots->counting)
			continue;
		__atomic_store_n(&bus->seals[space].ranges, roots->seals.ranges,
				 __ATOMIC_RELEASE);
		if (roots->doorbells)
			__atomic_store_n(&bus->seals[space].bells,
					 roots->seals.bells, __ATOMIC_RELEASE);
	}
}

void bf_bus_unseal(struct bf_io_bus *bus, unsigned int space)
{
#ifndef BF_BREAK_CLEAR_UNSEAL
	unseal(bus, 1U << space);
#endif
}

void bf_bus_reseal(struct bf_io_bus *bus, unsigned int space)
{
	struct bf_io_seals *seals = &bus->latest->space[space].seals;

	/* Release: see bf_range_access() and bf_doorbell_ring(). */
#ifndef BF_BREAK_RESEAL_BELLS
	__atomic_store_n(&seals->bells, bf_new_seal(seals->bells & BF_SEAL_LOW),
			 RESEAL_ORDER);
#endif
#ifndef BF_BREAK_RESEAL_RANGES
	__atomic_store_n(&seals->ranges,
			 bf_new_seal(seals->ranges & BF_SEAL_LOW),
			 RESEAL_ORDER);
#endif
	if (bus->state)
		publish_seals(bus, 1U << space);
}

static void publish_state(struct bf_change *change, struct bf_node *replaced,
			  unsigned int sealed)
{
	struct bf_io_bus *bus = change->bus;
	struct bf_io_state *old = bus->latest;

	old->replaced = replaced;
	bus->latest = change->state;
	/*
	 * No seal is published that is not that of the published state, or an
	 * access might find in the old one what another did not find in the new
	 * one.  One behind the other: accesses read them from one cache line.
	 */
#ifndef BF_BREAK_UNSEAL
	unseal(bus, sealed);
#endif
	/* Release: who loads the state sees the nodes and what they lead to. */
	srcu_assign_pointer(bus->state, change->state);
	publish_seals(bus, sealed);
	pthread_mutex_unlock(&bus->lock);
	bf_io_defer(bus, &old->head, free_state);
}

static bool is_hidden(const struct bf_change *change)
{
	return change->state == change->bus->latest;
}

void bf_change_commit(struct bf_change *change)
{
	struct bf_io_bus *bus = change->bus;
	unsigned int sealed = seal_all(change);
	struct bf_node *replaced = bf_edit_end(&change->edit);

	bf_change_counts(bus);
	if (!is_hidden(change)) {
		publish_state(change, replaced, sealed);
		return;
	}
	bf_nodes_free(replaced, SIZE_MAX);
	pthread_mutex_unlock(&bus->lock);
}

static void undo(struct bf_change *change)
{
	unsigned int spaces = change->spaces, space;

	for (; spaces; spaces &= spaces - 1) {
		space = (unsigned int)__builtin_ctz(spaces);
		change->state->space[space] = change->before[space];
	}
}

void bf_change_abort(struct bf_change *change)
{
	bf_edit_abort(&change->edit);
	if (is_hidden(change))
		undo(change);
	else
		free(change->state);
	pthread_mutex_unlock(&change->bus->lock);
}

void bf_bus_hide(struct bf_io_bus *bus)
{
	bus->state = NULL;
}

/* Release: who loads the state sees what changes made in place. */
void bf_bus_show(struct bf_io_bus *bus)
{
	const unsigned int all = (1U << BF_IO_SPACES) - 1;

	pthread_mutex_lock(&bus->lock);
	if (!bus->state) {
		srcu_assign_pointer(bus->state, bus->latest);
		(void)all;
	}
	pthread_mutex_unlock(&bus->lock);
}
