// SPDX-License-Identifier: MIT
/* Changes: begun, published or given up; and what they replaced. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/bell_lookaside.h"
#include "util.h"

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

int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus)
{
	change->state = malloc(sizeof(*change->state));
	if (!change->state)
		return -ENOMEM;
	pthread_mutex_lock(&bus->lock);
	change->bus = bus;
	*change->state = *bus->state;
	bf_edit_begin(&change->edit, &bus->nodes, bus->changes + 1);
	change->spaces = 0;
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
static unsigned int seal_all(const struct bf_change *change,
			     const struct bf_io_state *old)
{
	unsigned int spaces = change->spaces, space, sealed = 0;

	for (; spaces; spaces &= spaces - 1) {
		space = (unsigned int)__builtin_ctz(spaces);
		if (seal(&change->state->space[space], &old->space[space]))
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
		roots = &bus->state->space[space];
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
	struct bf_io_seals *seals = &bus->state->space[space].seals;

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
	publish_seals(bus, 1U << space);
}

void bf_change_commit(struct bf_change *change)
{
	struct bf_io_bus *bus = change->bus;
	struct bf_io_state *old = bus->state;
	unsigned int sealed = seal_all(change, old);

	bf_change_counts(bus);
	old->replaced = bf_edit_end(&change->edit);
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

void bf_change_abort(struct bf_change *change)
{
	bf_edit_abort(&change->edit);
	pthread_mutex_unlock(&change->bus->lock);
	free(change->state);
}
