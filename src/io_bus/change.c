// SPDX-License-Identifier: MIT
/* Changes: begun, published or given up; and what they replaced. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/lookaside.h"
#include "util.h"

static void free_state(struct srcu_head *head)
{
	struct bf_io_state *state =
		container_of(head, struct bf_io_state, head);

	bf_nodes_free(state->replaced);
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
	bf_edit_begin(&change->edit, bus->changes + 1);
	return 0;
}

void bf_change_counts(struct bf_io_bus *bus)
{
	__atomic_store_n(&bus->changes, bus->changes + 1, __ATOMIC_RELAXED);
}

/* What accesses found in other ranges, or uncounted, is not to be used. */
static void stamp(struct bf_io_roots *new, const struct bf_io_roots *old)
{
#ifndef BF_BREAK_STAMP
	if (new->ranges != old->ranges || new->counting != old->counting)
		new->stamp = bf_lookaside_stamp();
#endif
}

void bf_change_commit(struct bf_change *change)
{
	struct bf_io_bus *bus = change->bus;
	struct bf_io_state *old = bus->state;
	unsigned int space;

	bf_change_counts(bus);
	for (space = 0; space < BF_IO_SPACES; space++)
		stamp(&change->state->space[space], &old->space[space]);
	old->replaced = bf_edit_end(&change->edit);
	/* Release: who loads the state sees the nodes and what they lead to. */
	srcu_assign_pointer(bus->state, change->state);
	pthread_mutex_unlock(&bus->lock);
	bf_io_defer(bus, &old->head, free_state);
}

void bf_change_abort(struct bf_change *change)
{
	pthread_mutex_unlock(&change->bus->lock);
	bf_edit_abort(&change->edit);
	free(change->state);
}
