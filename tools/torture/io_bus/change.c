// SPDX-License-Identifier: MIT
/* Changers of the bus torture: what becomes of slots. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "torture_io_bus.h"
#include "base/util.h"

bool slot_try_lock(struct slot *slot)
{
	return !__atomic_exchange_n(&slot->busy, true, __ATOMIC_ACQUIRE);
}

void slot_unlock(struct slot *slot)
{
	__atomic_store_n(&slot->busy, false, __ATOMIC_RELEASE);
}

/* The slot is the caller's, so nothing is in the way of what it does. */
static void must(const char *what, int ret)
{
	if (ret)
		torture_fail("%s: %s", what, strerror(-ret));
}

static uint64_t range_addr(const struct slot *slot, unsigned int i)
{
	if (slot->kind == SLOT_SWAPPED)
		return slot->base + 16 * (i ^ slot->moved);
	return slot->base + (slot->moved ? OTHER_PLACE : 0);
}

static uint64_t bell_addr(const struct slot *slot, unsigned int i)
{
	if (slot->kind == SLOT_SWAPPED)
		return range_addr(slot, i) + 8;
	return slot->base + BELL_OFFSET;
}

static struct bf_io_range_desc range_desc(struct object *object, uint64_t addr)
{
	return (struct bf_io_range_desc){
		.addr = addr,
		.size = object->slot->kind == SLOT_SWAPPED ? 8 : RANGE_SIZE,
		.name = "torture",
		.ops = &object_ops,
		.opaque = object,
	};
}

static struct bf_io_doorbell_desc bell_desc(struct object *object,
					    uint64_t addr)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.len = 8,
		.wildcard = true,
		.eventfd = object->eventfd,
		.ring = object->kind == OBJECT_CALL ? object_ring : NULL,
		.opaque = object,
	};
}

static void add_range(struct actor *actor, struct slot *slot, unsigned int i)
{
	struct object *object = object_get(actor, slot, OBJECT_RANGE);
	const struct bf_io_range_desc desc =
		range_desc(object, range_addr(slot, i));

	slot->range[i] = object;
	must("a range",
	     bf_io_add_range(io_torture.bus, &desc, &object->range, NULL));
	actor->tallies[TALLY_ADDED]++;
}

static void add_bell(struct actor *actor, struct slot *slot, unsigned int i)
{
	bool calls = slot->kind == SLOT_SWAPPED || actor_random(actor, 2);
	struct object *object =
		object_get(actor, slot, calls ? OBJECT_CALL : OBJECT_BELL);
	const struct bf_io_doorbell_desc desc =
		bell_desc(object, bell_addr(slot, i));

	slot->bell[i] = object;
	must("a doorbell", bf_io_add_doorbell(io_torture.bus, &desc,
					      &object->doorbell, NULL));
	actor->tallies[TALLY_ADDED]++;
}

static void add_zone(struct actor *actor, struct slot *slot)
{
	struct object *object = object_get(actor, slot, OBJECT_ZONE);
	const struct bf_io_zone_desc desc = {
		.addr = slot->base + ZONE_OFFSET,
		.size = ZONE_SIZE,
		.name = "torture",
		.ring = io_torture.rings[actor_random(actor, NR_RINGS)],
	};

	slot->zone = object;
	must("a zone",
	     bf_io_add_zone(io_torture.bus, &desc, &object->zone, NULL));
	actor->tallies[TALLY_ADDED]++;
}

/* Waits; poisons. */
static void remove_now(struct actor *actor, struct object *object)
{
	struct bf_io_bus *bus = io_torture.bus;

	if (object->kind == OBJECT_RANGE)
		must("a removal", bf_io_remove_range(bus, object->range));
	else if (object->kind == OBJECT_ZONE)
		must("a removal", bf_io_remove_zone(bus, object->zone));
	else
		must("a removal", bf_io_remove_doorbell(bus, object->doorbell));
	object_over(object);
	actor->tallies[TALLY_REMOVED]++;
}

static void asked(struct actor *actor)
{
	__atomic_fetch_add(&io_torture.asked, 1, __ATOMIC_RELAXED);
	actor->tallies[TALLY_ASYNC]++;
}

static void remove_later(struct actor *actor, struct object *object)
{
	struct bf_io_bus *bus = io_torture.bus;

	asked(actor);
	if (object->kind == OBJECT_RANGE)
		bf_io_remove_range_async(bus, object->range, object_done,
					 object);
	else if (object->kind == OBJECT_ZONE)
		bf_io_remove_zone_async(bus, object->zone, object_done, object);
	else
		bf_io_remove_doorbell_async(bus, object->doorbell, object_done,
					    object);
}

static void remove_object(struct actor *actor, struct object **object)
{
	if (actor_random(actor, 2))
		remove_now(actor, *object);
	else
		remove_later(actor, *object);
	*object = NULL;
}

static void change_bell(struct actor *actor, struct slot *slot)
{
	if (slot->bell[0])
		remove_object(actor, &slot->bell[0]);
	else
		add_bell(actor, slot, 0);
}

static void change_zone(struct actor *actor, struct slot *slot)
{
	if (slot->zone)
		remove_object(actor, &slot->zone);
	else
		add_zone(actor, slot);
}

static void move_range(struct actor *actor, struct slot *slot)
{
	slot->moved = !slot->moved;
	must("a move", bf_io_move_range(io_torture.bus, slot->range[0]->range,
					range_addr(slot, 0), NULL));
	actor->tallies[TALLY_MOVED]++;
}

static void change_loose_range(struct actor *actor, struct slot *slot)
{
	if (!slot->range[0])
		add_range(actor, slot, 0);
	else if (actor_random(actor, 4))
		remove_object(actor, &slot->range[0]);
	else
		move_range(actor, slot);
}

static struct bf_io_txn *begin(void)
{
	struct bf_io_txn *txn = NULL;

	must("a transaction", bf_io_txn_begin(io_torture.bus, &txn));
	return txn;
}

static void commit(struct actor *actor, struct bf_io_txn *txn)
{
	must("a commit", bf_io_txn_commit(txn, NULL));
	actor->tallies[TALLY_COMMITTED]++;
}

static void put_removal(struct actor *actor, struct bf_io_txn *txn,
			struct object *object)
{
	asked(actor);
	must("a removal put in",
	     bf_io_txn_remove_range(txn, object->range, object_done, object));
}

static void put_range(struct actor *actor, struct bf_io_txn *txn,
		      struct slot *slot)
{
	struct object *object = object_get(actor, slot, OBJECT_RANGE);
	const struct bf_io_range_desc desc =
		range_desc(object, range_addr(slot, 0));

	slot->range[0] = object;
	must("a range put in", bf_io_txn_add_range(txn, &desc, &object->range));
}

/* Always a range: the old one and the new one change at one instant. */
static void replace_range(struct actor *actor, struct slot *slot)
{
	struct bf_io_txn *txn = begin();

	put_removal(actor, txn, slot->range[0]);
	put_range(actor, txn, slot);
	commit(actor, txn);
}

static void swap_devices(struct actor *actor, struct slot *slot)
{
	struct bf_io_txn *txn = begin();

	slot->moved = !slot->moved;
	for (unsigned int i = 0; i < 2; i++) {
		must("a move put in",
		     bf_io_txn_move_range(txn, slot->range[i]->range,
					  range_addr(slot, i)));
		must("a move put in",
		     bf_io_txn_move_doorbell(txn, slot->bell[i]->doorbell,
					     bell_addr(slot, i)));
	}
	commit(actor, txn);
}

void slot_change(struct actor *actor, struct slot *slot)
{
	unsigned int part = actor_random(actor, 4);

	if (slot->kind == SLOT_SWAPPED)
		swap_devices(actor, slot);
	else if (part == 0)
		change_zone(actor, slot);
	else if (part == 1)
		change_bell(actor, slot);
	else if (slot->kind == SLOT_COVERED)
		replace_range(actor, slot);
	else
		change_loose_range(actor, slot);
}

/* Another range in its place, while its handler runs. */
static void replace_later(struct actor *actor, struct slot *slot)
{
	remove_later(actor, slot->range[0]);
	add_range(actor, slot, 0);
}

void slot_change_inside(struct actor *actor, struct object *object)
{
	struct slot *slot = object->slot;

	if (slot->range[0] != object && slot->range[1] != object)
		return;
	actor->tallies[TALLY_IN_HANDLER]++;
	if (bf_io_remove_range(io_torture.bus, object->range) != -EDEADLK)
		torture_fail("a range was removed in its own handler");
	actor->tallies[TALLY_DEADLK]++;
	if (slot->kind == SLOT_SWAPPED) {
		swap_devices(actor, slot);
		return;
	}
	/* Not asynchronously: handlers may wait for consumers. */
	if (slot->bell[0] && actor_random(actor, 2)) {
		remove_now(actor, slot->bell[0]);
		slot->bell[0] = NULL;
	}
	if (slot->kind == SLOT_LOOSE)
		replace_later(actor, slot);
	else
		replace_range(actor, slot);
}

/* Ranges of several loose slots come and go at one instant. */
static void change_several(struct actor *actor)
{
	struct bf_io_txn *txn = begin();
	struct slot *slot, *locked[NR_SLOTS];
	unsigned int i, count = 0;

	for (i = 0; i < 8; i++) {
		slot = &io_torture.slots[actor_random(actor, NR_SLOTS)];
		if (slot->kind != SLOT_LOOSE || !slot_try_lock(slot))
			continue;
		locked[count++] = slot;
		if (slot->range[0]) {
			put_removal(actor, txn, slot->range[0]);
			slot->range[0] = NULL;
		} else {
			put_range(actor, txn, slot);
		}
	}
	commit(actor, txn);
	while (count)
		slot_unlock(locked[--count]);
}

void slots_init(struct actor *actor)
{
	struct slot *slot;

	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		slot = &io_torture.slots[i];
		slot->kind = i % NR_SLOT_KINDS;
		slot->base = (uint64_t)i * SLOT_SIZE;
		if (slot->kind != SLOT_LOOSE)
			add_range(actor, slot, 0);
		if (slot->kind != SLOT_SWAPPED)
			continue;
		add_range(actor, slot, 1);
		add_bell(actor, slot, 0);
		add_bell(actor, slot, 1);
	}
}

/* The map follows every pointer of one state, whatever changes meanwhile. */
static void print_map(struct actor *actor)
{
	FILE *out = fopen("/dev/null", "w");

	if (!out)
		return;
	must("the map", bf_io_dump(io_torture.bus, out));
	fclose(out);
	actor->tallies[TALLY_MAPS]++;
}

static void change_some_slot(struct actor *actor)
{
	unsigned int count = actor_random(actor, 2) ? NR_SLOT_KINDS : NR_SLOTS;
	struct slot *slot = &io_torture.slots[actor_random(actor, count)];

	if (!slot_try_lock(slot))
		return;
	slot_change(actor, slot);
	slot_unlock(slot);
}

static void change_something(struct actor *actor)
{
	unsigned int dice = actor_random(actor, 128);

	if (dice == 0)
		print_map(actor);
	else if (dice == 1)
		must("counting",
		     bf_io_count(io_torture.bus, actor_random(actor, 2)));
	else if (dice < 10)
		change_several(actor);
	else
		change_some_slot(actor);
}

void *changer_main(void *number)
{
	struct actor actor;

	actor_init(&actor, ACTOR_CHANGER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		actor_does(&actor, "changes the bus", NULL);
		change_something(&actor);
	}
	actor_done(&actor);
	return NULL;
}
