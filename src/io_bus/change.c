// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/change.h"
#include "io_bus/counters.h"
#include "io_bus/probe.h"
#include "srcu/wait.h"

void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head))
{
	if (bf_srcu_gp_try(&bus->srcu))
		fn(head);
	else
		call_srcu(&bus->srcu, head, fn);
}

static void state_free(struct srcu_head *head)
{
	bf_nodes_free(container_of(head, struct bf_io_state, head)->replaced);
}

static size_t state_size(unsigned int spaces)
{
	return sizeof(struct bf_io_state) + spaces * sizeof(struct bf_io_roots);
}

int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus)
{
	size_t size;

	pthread_mutex_lock(&bus->lock);
	size = state_size(bus->state->spaces);
	change->bus = bus;
	bf_edit_begin(&change->edit, bus->changes + 1);
	change->state =
		bf_edit_copy(&change->edit, &bus->state->node, size, size);
	if (change->state)
		return 0;
	pthread_mutex_unlock(&bus->lock);
	return -ENOMEM;
}

/*
 * After a change that was made in place, the number of the state differs from
 * that of the changes.  Bus locked.
 */
static void count_change(struct bf_io_bus *bus)
{
	__atomic_store_n(&bus->changes, bus->changes + 1, __ATOMIC_RELAXED);
}

/*
 * The nodes that the new state does not have hang on the old state.  Still
 * older states may share them, but a reader of an older state began before the
 * old state was unpublished, so the same grace period waits for that reader.
 */
void bf_change_commit(struct bf_change *change)
{
	struct bf_io_bus *bus = change->bus;
	struct bf_io_state *old = bus->state;

	old->replaced = bf_edit_end(&change->edit);
	count_change(bus);
	/* Release: a reader that loads the state sees all that it leads to. */
	srcu_assign_pointer(bus->state, change->state);
	bf_deferred_add(&bus->deferred, &old->head, state_free);
	bf_deferred_free(&bus->srcu, &bus->deferred);
	pthread_mutex_unlock(&bus->lock);
}

void bf_change_abort(struct bf_change *change)
{
	bf_edit_abort(&change->edit);
	pthread_mutex_unlock(&change->bus->lock);
}

/* KVM refuses a doorbell that ends at 2^64 exactly, as one that wraps. */
int bf_entry_check_addr(const struct bf_entry *entry, uint64_t addr)
{
	uint64_t reach = entry->size - (entry->kind != BF_IO_DOORBELL);

	return reach > UINT64_MAX - addr ? -EINVAL : 0;
}

/* 0, or -ENOMEM: the change can only be aborted. */
static int change_add_space(struct bf_change *change, uint16_t space)
{
	struct bf_io_state *state = change->state;
	const uint16_t spaces = state->spaces;

	if (space < spaces)
		return 0;
	state = bf_edit_copy(&change->edit, &state->node, state_size(space + 1),
			     state_size(spaces));
	if (!state)
		return -ENOMEM;
	memset(&state->space[spaces], 0,
	       state_size(space + 1) - state_size(spaces));
	state->spaces = space + 1;
	change->state = state;
	return 0;
}

static struct bf_io_party entry_party(const struct bf_entry *entry)
{
	struct bf_io_party party = {
		.kind = entry->kind,
		.space = entry->space,
		.wildcard = entry->wildcard,
		.addr = entry->addr,
		.size = entry->size,
		.datamatch = entry->datamatch,
	};

	if (entry->name)
		strcpy(party.name, entry->name);
	return party;
}

int bf_entry_add(struct bf_change *change, struct bf_entry *entry,
		 struct bf_io_conflict *conflict)
{
	struct bf_entry *existing;
	int ret = change_add_space(change, entry->space);

	if (!ret)
		ret = entry->ops->add(change, entry, &existing);
	if (ret == -EEXIST && conflict) {
		conflict->wanted = entry_party(entry);
		conflict->existing = entry_party(existing);
	}
	return ret;
}

int bf_entry_publish(struct bf_entry *entry, struct bf_io_conflict *conflict)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, entry->bus);

	if (ret)
		goto free_entry;
	ret = bf_entry_add(&change, entry, conflict);
	if (ret)
		goto abort_change;
	PROBE_REGISTER(entry->bus, entry->kind, entry->space, entry->addr,
		       entry->size);
	bf_change_commit(&change);
	return 0;

abort_change:
	bf_change_abort(&change);
free_entry:
	bf_entry_free(entry);
	return ret;
}

static int entry_try_unpublish(struct bf_entry *entry)
{
	struct bf_change change;
	int ret = bf_change_begin(&change, entry->bus);

	if (ret)
		return ret;
	ret = entry->ops->remove(&change, entry);
	if (ret)
		bf_change_abort(&change);
	else
		bf_change_commit(&change);
	return ret;
}

void bf_entry_unpublish(struct bf_entry *entry)
{
	struct bf_io_bus *bus = entry->bus;

	PROBE_REMOVE(bus, entry->kind, entry->space, entry->addr, entry->size);
	if (!entry_try_unpublish(entry))
		return;
	pthread_mutex_lock(&bus->lock);
	entry->ops->clear(bf_entry_roots(bus->state, entry), entry);
	count_change(bus);
	pthread_mutex_unlock(&bus->lock);
}

void bf_entry_free(struct bf_entry *entry)
{
	entry->ops->release(entry);
	bf_counters_free(entry->counters);
	free(entry);
}

void bf_entry_removed(struct bf_entry *entry)
{
	bf_io_done_fn done = entry->done;
	void *opaque = entry->done_opaque;

	PROBE_REMOVED(entry->bus, entry->kind, entry);
	bf_entry_free(entry);
	if (done)
		done(opaque);
}

static void removal_done(struct srcu_head *head)
{
	bf_entry_removed(container_of(head, struct bf_entry, head));
}

void bf_entry_remove_async(struct bf_entry *entry, bf_io_done_fn done,
			   void *opaque)
{
	bf_entry_unpublish(entry);
	entry->done = done;
	entry->done_opaque = opaque;
	bf_io_defer(entry->bus, &entry->head, removal_done);
}
