// SPDX-License-Identifier: MIT
/* Handlers and consumers of the bus torture: what they check, sleep and do. */
#include <errno.h>
#include <string.h>

#include "tools/belfry/common/sleep.h"
#include "torture_io_bus.h"

__thread struct dispatcher *self;

static void sleep_a_while(struct actor *actor)
{
	/* Mostly what a lock costs, seldom what a disk does. */
	sleep_us(actor_random(actor, 64) ? 50 : 3000);
	actor->tallies[TALLY_SLEPT]++;
}

static void linger(struct object *object)
{
	if (object->sleeps && !actor_random(&self->actor, 8))
		sleep_a_while(&self->actor);
	else
		for (unsigned int i = actor_random(&self->actor, 64); i; i--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Changes the own slot, or writes elsewhere. */
static void meddle(struct object *object)
{
	struct actor *actor = &self->actor;
	unsigned int dice = actor_random(actor, 64);
	struct slot *slot = object->slot;

	if (dice == 0 && self->depth <= NEST_MAX) {
		actor->tallies[TALLY_NESTED]++;
		dispatch_write(
			self, &io_torture.slots[actor_random(actor, NR_SLOTS)]);
	}
	if (dice != 1 || !slot_try_lock(slot))
		return;
	slot_change_inside(actor, object);
	slot_unlock(slot);
}

/* It is this thread's write, and it came here first. */
static void deliver(struct object *object, uint64_t value)
{
	struct write *write = self->write;

	if (!write || write->number != value)
		torture_fail("a write came to another thread, or late");
	else if (write->delivered < 4)
		write->by[write->delivered] = object;
	if (write)
		write->delivered++;
}

static int handle_write(void *opaque, uint64_t offset, const void *data,
			uint32_t len)
{
	struct object *object = opaque;
	unsigned int generation = object_enter(object);
	uint64_t value = 0;

	memcpy(&value, data, len < sizeof(value) ? len : sizeof(value));
	deliver(object, value);
	self->actor.tallies[TALLY_HANDLED]++;
	linger(object);
	meddle(object);
	object_leave(object, generation);
	return 0;
}

/* A read finds who answered it. */
static int handle_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	struct object *object = opaque;
	unsigned int generation = object_enter(object);
	uint64_t value = (uint64_t)(uintptr_t)object ^ (uint64_t)generation
							       << 48;

	memcpy(data, &value, len < sizeof(value) ? len : sizeof(value));
	self->actor.tallies[TALLY_HANDLED]++;
	linger(object);
	meddle(object);
	object_leave(object, generation);
	return 0;
}

const struct bf_io_ops object_ops = {
	.read = handle_read,
	.write = handle_write,
};

/* Its removal would wait for itself. */
static void check_consumer(struct object *object)
{
	struct slot *slot = object->slot;

	if (actor_random(&self->actor, 16) || !slot_try_lock(slot))
		return;
	if ((slot->bell[0] == object || slot->bell[1] == object) &&
	    bf_io_remove_doorbell(io_torture.bus, object->doorbell) != -EDEADLK)
		torture_fail("a doorbell was removed in its own consumer");
	self->actor.tallies[TALLY_DEADLK]++;
	slot_unlock(slot);
}

void object_ring(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
	struct object *object = opaque;
	unsigned int generation = object_enter(object);

	deliver(object, value);
	self->actor.tallies[TALLY_CALLED]++;
	linger(object);
	check_consumer(object);
	object_leave(object, generation);
}
