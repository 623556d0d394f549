// SPDX-License-Identifier: MIT
/* Handlers and doorbell callbacks of the bus torture. */
#include <errno.h>
#include <string.h>

#include "tools/belfry/common/sleep.h"
#include "tools/torture/io_bus/torture_io_bus.h"

__thread struct dispatcher *this_dispatcher;

static void sleep_a_while(struct torture_thread *self)
{
	/* Mostly the time of a lock, seldom that of a disk. */
	sleep_us(thread_random(self, 64) ? 50 : 3000);
	self->tallies[TALLY_SLEPT]++;
}

static void linger(struct object *object)
{
	if (object->sleeps && !thread_random(&this_dispatcher->thread, 8))
		sleep_a_while(&this_dispatcher->thread);
	else
		for (unsigned int i =
			     thread_random(&this_dispatcher->thread, 64);
		     i; i--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Sometimes change the slot of the object, or write elsewhere. */
static void meddle(struct object *object)
{
	struct torture_thread *self = &this_dispatcher->thread;
	unsigned int dice = thread_random(self, 64);
	struct slot *slot = object->slot;

	if (dice == 0 && this_dispatcher->depth <= NEST_MAX) {
		self->tallies[TALLY_NESTED]++;
		dispatch_write(
			this_dispatcher,
			&io_torture.slots[thread_random(self, NR_SLOTS)]);
	}
	if (dice != 1 || !slot_try_lock(slot))
		return;
	slot_change_inside(self, object);
	slot_unlock(slot);
}

/* The write must be the current one of the calling thread. */
static void deliver(struct object *object, uint64_t value)
{
	struct write *write = this_dispatcher->write;

	if (!write || write->number != value)
		torture_fail("a write reached another thread, or came late");
	else if (write->delivered < 4)
		write->by[write->delivered] = object;
	if (write)
		write->delivered++;
}

static int handle_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	struct object *object = opaque;
	unsigned int generation = object_enter(object);
	uint64_t value = 0;

	memcpy(&value, access->data,
	       access->len < sizeof(value) ? access->len : sizeof(value));
	deliver(object, value);
	this_dispatcher->thread.tallies[TALLY_HANDLED]++;
	linger(object);
	meddle(object);
	object_leave(object, generation);
	return 0;
}

/* The value of a read identifies the object and its generation. */
static int handle_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	struct object *object = opaque;
	unsigned int generation = object_enter(object);
	uint64_t value = (uint64_t)(uintptr_t)object ^ (uint64_t)generation
							       << 48;

	memcpy(access->data, &value,
	       access->len < sizeof(value) ? access->len : sizeof(value));
	this_dispatcher->thread.tallies[TALLY_HANDLED]++;
	linger(object);
	meddle(object);
	object_leave(object, generation);
	return 0;
}

const struct bf_io_ops object_ops = {
	.read = handle_read,
	.write = handle_write,
};

/* A doorbell must refuse its removal by its own callback. */
static void check_deadlock(struct object *object)
{
	struct slot *slot = object->slot;

	if (thread_random(&this_dispatcher->thread, 16) || !slot_try_lock(slot))
		return;
	if ((slot->doorbell[0] == object || slot->doorbell[1] == object) &&
	    bf_io_remove_doorbell(io_torture.bus, object->doorbell) != -EDEADLK)
		torture_fail("a doorbell was removed in its own callback");
	this_dispatcher->thread.tallies[TALLY_DEADLK]++;
	slot_unlock(slot);
}

void object_signal(void *opaque, uint64_t value,
		   const struct bf_io_access *access)
{
	struct object *object = opaque;
	unsigned int generation = object_enter(object);

	deliver(object, value);
	this_dispatcher->thread.tallies[TALLY_CALLED]++;
	linger(object);
	check_deadlock(object);
	object_leave(object, generation);
}
