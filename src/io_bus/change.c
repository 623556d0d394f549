// SPDX-License-Identifier: MIT
/* Changes: begun, published or given up; and what they replaced. */
#include <errno.h>
#include <stdlib.h>

#include "io_bus/bus.h"
#include "base/util.h"

static void free_state(struct srcu_head *head)
{
	struct bf_io_state *state =
		container_of(head, struct bf_io_state, head);

	bf_nodes_free(state->replaced);
	free(state);
}

static struct bf_io_state *copy_state(const struct bf_io_state *state)
{
	struct bf_io_state *copy = malloc(sizeof(*copy));

	if (copy)
		*copy = *state;
	return copy;
}

int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus)
{
	pthread_mutex_lock(&bus->lock);
	change->bus = bus;
	change->state = copy_state(bus->state);
	if (!change->state) {
		pthread_mutex_unlock(&bus->lock);
		return -ENOMEM;
	}
	bf_edit_begin(&change->edit, bus->changes + 1);
	return 0;
}

void bf_change_counts(struct bf_io_bus *bus)
{
	__atomic_store_n(&bus->changes, bus->changes + 1, __ATOMIC_RELAXED);
}

void bf_change_commit(struct bf_change *change)
{
	struct bf_io_bus *bus = change->bus;
	struct bf_io_state *old = bus->state;

	old->replaced = bf_edit_end(&change->edit);
	bf_change_counts(bus);
	/* Release: a reader that loads the state sees all that it leads to. */
	srcu_assign_pointer(bus->state, change->state);
	pthread_mutex_unlock(&bus->lock);
	bf_io_defer(bus, &old->head, free_state);
}

void bf_change_abort(struct bf_change *change)
{
	bf_edit_abort(&change->edit);
	free(change->state);
	pthread_mutex_unlock(&change->bus->lock);
}
