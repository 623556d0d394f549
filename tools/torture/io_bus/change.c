// SPDX-License-Identifier: MIT
/* Changes of slots in the bus torture. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/torture/io_bus/torture_io_bus.h"
#include "base/util.h"

bool slot_try_lock(struct slot *slot)
{
	return !__atomic_exchange_n(&slot->busy, true, __ATOMIC_ACQUIRE);
}

void slot_unlock(struct slot *slot)
{
	__atomic_store_n(&slot->busy, false, __ATOMIC_RELEASE);
}

/* The caller has locked the slot, so its changes must succeed. */
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

static uint64_t doorbell_addr(const struct slot *slot, unsigned int i)
{
	if (slot->kind == SLOT_SWAPPED)
		return range_addr(slot, i) + 8;
	return slot->base + DOORBELL_OFFSET;
}

/* With few ranges of each priority, layers of the bus come and go. */
static struct bf_io_range_desc range_desc(struct torture_thread *self,
					  struct object *object, uint64_t addr)
{
	return (struct bf_io_range_desc){
		.addr = addr,
		.size = object->slot->kind == SLOT_SWAPPED ? 8 : RANGE_SIZE,
		.name = "torture",
		.ops = &object_ops,
		.opaque = object,
		.priority = BF_IO_PRIORITY_MIN + (int)thread_random(self, 16),
	};
}

static struct bf_io_doorbell_desc doorbell_desc(struct object *object,
						uint64_t addr)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.len = 8,
		.wildcard = true,
		.eventfd = object->eventfd,
		.consumer = object->kind == OBJECT_CALLBACK ?
				    BF_IO_CONSUMER_CALLBACK :
				    BF_IO_CONSUMER_EVENTFD,
		.callback = object_signal,
		.opaque = object,
	};
}

static void add_range(struct torture_thread *self, struct slot *slot,
		      unsigned int i)
{
	struct object *object = object_get(self, slot, OBJECT_RANGE);
	const struct bf_io_range_desc desc =
		range_desc(self, object, range_addr(slot, i));

	slot->range[i] = object;
	must("a range",
	     bf_io_add_range(io_torture.bus, &desc, &object->range, NULL));
	self->tallies[TALLY_ADDED]++;
}

static void add_doorbell(struct torture_thread *self, struct slot *slot,
			 unsigned int i)
{
	bool calls = slot->kind == SLOT_SWAPPED || thread_random(self, 2);
	struct object *object = object_get(
		self, slot, calls ? OBJECT_CALLBACK : OBJECT_EVENTFD);
	const struct bf_io_doorbell_desc desc =
		doorbell_desc(object, doorbell_addr(slot, i));

	slot->doorbell[i] = object;
	must("a doorbell", bf_io_add_doorbell(io_torture.bus, &desc,
					      &object->doorbell, NULL));
	self->tallies[TALLY_ADDED]++;
}

static void add_zone(struct torture_thread *self, struct slot *slot)
{
	struct object *object = object_get(self, slot, OBJECT_ZONE);
	const struct bf_io_zone_desc desc = {
		.addr = slot->base + ZONE_OFFSET,
		.size = ZONE_SIZE,
		.name = "torture",
		.ring = io_torture.rings[thread_random(self, NR_RINGS)],
	};

	slot->zone = object;
	must("a zone",
	     bf_io_add_zone(io_torture.bus, &desc, &object->zone, NULL));
	self->tallies[TALLY_ADDED]++;
}

/* Remove an object, wait, and poison it. */
static void remove_now(struct torture_thread *self, struct object *object)
{
	struct bf_io_bus *bus = io_torture.bus;

	if (object->kind == OBJECT_RANGE)
		must("a removal", bf_io_remove_range(bus, object->range));
	else if (object->kind == OBJECT_ZONE)
		must("a removal", bf_io_remove_zone(bus, object->zone));
	else
		must("a removal", bf_io_remove_doorbell(bus, object->doorbell));
	object_removed(object);
	self->tallies[TALLY_REMOVED]++;
}

static void count_async(struct torture_thread *self)
{
	__atomic_fetch_add(&io_torture.asked, 1, __ATOMIC_RELAXED);
	self->tallies[TALLY_ASYNC]++;
}

static void remove_later(struct torture_thread *self, struct object *object)
{
	struct bf_io_bus *bus = io_torture.bus;

	count_async(self);
	if (object->kind == OBJECT_RANGE)
		bf_io_remove_range_async(bus, object->range, object_done,
					 object);
	else if (object->kind == OBJECT_ZONE)
		bf_io_remove_zone_async(bus, object->zone, object_done, object);
	else
		bf_io_remove_doorbell_async(bus, object->doorbell, object_done,
					    object);
}

static void remove_object(struct torture_thread *self, struct object **object)
{
	if (thread_random(self, 2))
		remove_now(self, *object);
	else
		remove_later(self, *object);
	*object = NULL;
}

static void change_doorbell(struct torture_thread *self, struct slot *slot)
{
	if (slot->doorbell[0])
		remove_object(self, &slot->doorbell[0]);
	else
		add_doorbell(self, slot, 0);
}

static void change_zone(struct torture_thread *self, struct slot *slot)
{
	if (slot->zone)
		remove_object(self, &slot->zone);
	else
		add_zone(self, slot);
}

static void move_range(struct torture_thread *self, struct slot *slot)
{
	slot->moved = !slot->moved;
	must("a move", bf_io_move_range(io_torture.bus, slot->range[0]->range,
					range_addr(slot, 0), NULL));
	self->tallies[TALLY_MOVED]++;
}

static void change_loose_range(struct torture_thread *self, struct slot *slot)
{
	if (!slot->range[0])
		add_range(self, slot, 0);
	else if (thread_random(self, 4))
		remove_object(self, &slot->range[0]);
	else
		move_range(self, slot);
}

static struct bf_io_txn *txn_begin(void)
{
	struct bf_io_txn *txn = NULL;

	must("a transaction", bf_io_txn_begin(io_torture.bus, &txn));
	return txn;
}

static void txn_commit(struct torture_thread *self, struct bf_io_txn *txn)
{
	must("a commit", bf_io_txn_commit(txn, NULL));
	self->tallies[TALLY_COMMITTED]++;
}

static void txn_remove(struct torture_thread *self, struct bf_io_txn *txn,
		       struct object *object)
{
	count_async(self);
	must("a removal in a transaction",
	     bf_io_txn_remove_range(txn, object->range, object_done, object));
}

static void txn_add(struct torture_thread *self, struct bf_io_txn *txn,
		    struct slot *slot)
{
	struct object *object = object_get(self, slot, OBJECT_RANGE);
	const struct bf_io_range_desc desc =
		range_desc(self, object, range_addr(slot, 0));

	slot->range[0] = object;
	must("a range in a transaction",
	     bf_io_txn_add_range(txn, &desc, &object->range));
}

/* The old range goes and the new one comes in one transaction. */
static void replace_range(struct torture_thread *self, struct slot *slot)
{
	struct bf_io_txn *txn = txn_begin();

	txn_remove(self, txn, slot->range[0]);
	txn_add(self, txn, slot);
	txn_commit(self, txn);
}

static void swap_devices(struct torture_thread *self, struct slot *slot)
{
	struct bf_io_txn *txn = txn_begin();

	slot->moved = !slot->moved;
	for (unsigned int i = 0; i < 2; i++) {
		must("a move in a transaction",
		     bf_io_txn_move_range(txn, slot->range[i]->range,
					  range_addr(slot, i)));
		must("a move in a transaction",
		     bf_io_txn_move_doorbell(txn, slot->doorbell[i]->doorbell,
					     doorbell_addr(slot, i)));
	}
	txn_commit(self, txn);
}

/* Make one change of a slot that the caller has locked. */
static void slot_change(struct torture_thread *self, struct slot *slot)
{
	unsigned int part = thread_random(self, 4);

	if (slot->kind == SLOT_SWAPPED)
		swap_devices(self, slot);
	else if (part == 0)
		change_zone(self, slot);
	else if (part == 1)
		change_doorbell(self, slot);
	else if (slot->kind == SLOT_COVERED)
		replace_range(self, slot);
	else
		change_loose_range(self, slot);
}

/* Replace a range while its handler runs. */
static void replace_later(struct torture_thread *self, struct slot *slot)
{
	remove_later(self, slot->range[0]);
	add_range(self, slot, 0);
}

void slot_change_inside(struct torture_thread *self, struct object *object)
{
	struct slot *slot = object->slot;

	if (slot->range[0] != object && slot->range[1] != object)
		return;
	self->tallies[TALLY_IN_HANDLER]++;
	if (bf_io_remove_range(io_torture.bus, object->range) != -EDEADLK)
		torture_fail("a range was removed in its own handler");
	self->tallies[TALLY_DEADLK]++;
	if (slot->kind == SLOT_SWAPPED) {
		swap_devices(self, slot);
		return;
	}
	/* A range handler may wait for the callback of a doorbell. */
	if (slot->doorbell[0] && thread_random(self, 2)) {
		remove_now(self, slot->doorbell[0]);
		slot->doorbell[0] = NULL;
	}
	if (slot->kind == SLOT_LOOSE)
		replace_later(self, slot);
	else
		replace_range(self, slot);
}

/* Add and remove ranges of several loose slots in one transaction. */
static void change_several(struct torture_thread *self)
{
	struct bf_io_txn *txn = txn_begin();
	struct slot *slot, *locked[NR_SLOTS];
	unsigned int i, count = 0;

	for (i = 0; i < 8; i++) {
		slot = &io_torture.slots[thread_random(self, NR_SLOTS)];
		if (slot->kind != SLOT_LOOSE || !slot_try_lock(slot))
			continue;
		locked[count++] = slot;
		if (slot->range[0]) {
			txn_remove(self, txn, slot->range[0]);
			slot->range[0] = NULL;
		} else {
			txn_add(self, txn, slot);
		}
	}
	txn_commit(self, txn);
	while (count)
		slot_unlock(locked[--count]);
}

void slots_init(struct torture_thread *self)
{
	struct slot *slot;

	for (unsigned int i = 0; i < NR_SLOTS; i++) {
		slot = &io_torture.slots[i];
		slot->kind = i % NR_SLOT_KINDS;
		slot->base = (uint64_t)i * SLOT_SIZE;
		if (slot->kind != SLOT_LOOSE)
			add_range(self, slot, 0);
		if (slot->kind != SLOT_SWAPPED)
			continue;
		add_range(self, slot, 1);
		add_doorbell(self, slot, 0);
		add_doorbell(self, slot, 1);
	}
}

/* The map follows all pointers of one state of the bus beside changes. */
static void print_map(struct torture_thread *self)
{
	FILE *out = fopen("/dev/null", "w");

	if (!out)
		return;
	must("the map", bf_io_dump(io_torture.bus, out));
	fclose(out);
	self->tallies[TALLY_MAPS]++;
}

static void change_some_slot(struct torture_thread *self)
{
	unsigned int count = thread_random(self, 2) ? NR_SLOT_KINDS : NR_SLOTS;
	struct slot *slot = &io_torture.slots[thread_random(self, count)];

	if (!slot_try_lock(slot))
		return;
	slot_change(self, slot);
	slot_unlock(slot);
}

static void change_something(struct torture_thread *self)
{
	unsigned int dice = thread_random(self, 128);

	if (dice == 0)
		print_map(self);
	else if (dice == 1)
		must("counting",
		     bf_io_count(io_torture.bus, thread_random(self, 2)));
	else if (dice < 10)
		change_several(self);
	else
		change_some_slot(self);
}

void *changer_main(void *number)
{
	struct torture_thread self;

	thread_init(&self, THREAD_CHANGER, (unsigned int)(uintptr_t)number);
	while (!torture_stopped()) {
		thread_does(&self, "changes the bus", NULL);
		change_something(&self);
	}
	thread_done(&self);
	return NULL;
}
