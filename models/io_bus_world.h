/* SPDX-License-Identifier: MIT */
/*
 * The common part of the models of the bus: the whole source of its accesses
 * and changes, one bus, the bus's memory, and grace periods.
 */
#ifndef BF_MODELS_IO_BUS_WORLD_H
#define BF_MODELS_IO_BUS_WORLD_H

#define ARENA_SIZE 12288
#include "world.h"

/*
 * In place of io_bus/thread.h: the machine's threads share their thread-local
 * variables.
 */
#define BF_IO_BUS_THREAD_H

struct bf_io_bus;

struct bf_io_frame {
	int unused;
};

static void bf_io_enter(struct bf_io_frame *frame, const struct bf_io_bus *bus,
			bool callback)
{
}

static void bf_io_leave(const struct bf_io_frame *frame)
{
}

static bool bf_io_in_handler(const struct bf_io_bus *bus)
{
	return false;
}

static bool bf_io_in_callback(const struct bf_io_bus *bus)
{
	return false;
}

#include "base/edit.c"
#include "base/span_tree.c"
#include "srcu/deferred.c"
#include "io_bus/bus.c"
#include "io_bus/dispatch.c"
#include "io_bus/doorbell.c"
#include "io_bus/doorbell_tree.c"
#include "io_bus/change.c"
#include "io_bus/layer.c"
#include "io_bus/region.c"
#include "io_bus_stubs.h"

/* The opaque pointer of an entry. */
struct consumer {
	uint64_t value; /* datamatch of a doorbell */
	int gone;	/* its removal is complete */
};

static struct {
	struct bf_io_bus bus;
	struct __bf_srcu_slot access_slots[NR_SLOTS], consumer_slots[NR_SLOTS];
	struct arena arena;
	struct consumer removed, kept, added;
	int flag; /* set by one thread for another */
} world;

static void *world_alloc(size_t size)
{
	return arena_alloc(&world.arena, size);
}

/*
 * The checkpoint is right because each thread calls this once for a domain, and
 * its later actions depend on memory alone.
 */
void synchronize_srcu_expedited(struct srcu_struct *ssp)
{
	bf_srcu_gp_start(ssp);
	while (!bf_srcu_gp_advance(ssp)) {
		machine_checkpoint(ssp == &world.bus.srcu);
		machine_wait();
	}
}

/*
 * Stands in for the worker: the thread that removes waits itself.  Memory is
 * not freed here.
 */
void call_srcu(struct srcu_struct *ssp, struct srcu_head *head,
	       void (*fn)(struct srcu_head *head))
{
	if (fn != removal_done ||
	    !container_of(head, struct bf_entry, head)->done)
		return;
	synchronize_srcu_expedited(ssp);
	fn(head);
}

/* The removal is complete: a later call of the consumer is a failure. */
static void set_gone(void *opaque)
{
	struct consumer *consumer = opaque;

	__atomic_store_n(&consumer->gone, 1, __ATOMIC_RELAXED);
}

static void check_called(const struct consumer *consumer)
{
	check(!__atomic_load_n(&consumer->gone, __ATOMIC_RELAXED),
	      "a consumer was called after its removal");
}

static void set_flag(void)
{
	__atomic_store_n(&world.flag, 1, __ATOMIC_RELEASE);
}

static bool flag_is_set(void)
{
	return __atomic_load_n(&world.flag, __ATOMIC_ACQUIRE);
}

static struct bf_io_doorbell *
add_doorbell(const struct bf_io_doorbell_desc *desc)
{
	struct bf_io_doorbell *doorbell = NULL;

	check(!bf_io_add_doorbell(&world.bus, desc, &doorbell, NULL),
	      "a registration failed");
	return doorbell;
}

static void init_bus(void)
{
	memset(&world, 0, sizeof(world));
	bf_srcu_nr_slots = NR_SLOTS;
	init_domain(&world.bus.srcu, world.access_slots);
	init_domain(&world.bus.consumer_srcu, world.consumer_slots);
	world.bus.state = world_alloc(sizeof(*world.bus.state));
}

#endif
