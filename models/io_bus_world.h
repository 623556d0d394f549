/* SPDX-License-Identifier: MIT */
/*
 * The common part of the models of the bus: its source except for ranges, one
 * bus, the bus's memory, and grace periods.
 */
#ifndef BF_MODELS_IO_BUS_WORLD_H
#define BF_MODELS_IO_BUS_WORLD_H

#include "explore.h"
#include "io_bus_source.h"

#undef bf_io_innermost
struct bf_io_frame *bf_io_innermost, *io_frames[MACHINE_THREADS];
#define bf_io_innermost io_frames[machine_self()]

#include "srcu/gp.c"
#include "srcu/reader.c"
#include "srcu_stubs.h"

#include "base/edit.c"
#define put put_entry /* another included file has a put(), too */
#include "io_bus/trie.c"
#undef put
#include "io_bus/doorbell_table.c"
#include "io_bus/change.c"
#include "io_bus/doorbell.c"
#include "io_bus/access.c"
#include "io_bus_stubs.h"

#define NR_SLOTS MACHINE_THREADS

/* The opaque pointer of an entry. */
struct consumer {
	uint64_t value; /* datamatch of a doorbell */
	int gone;	/* its removal is complete */
};

static struct {
	struct bf_io_bus bus;
	struct __bf_srcu_slot access_slots[NR_SLOTS], signal_slots[NR_SLOTS];
	_Alignas(64) char memory[6656];
	size_t used;
	bool no_memory; /* so removals clear entries in place */
	struct consumer removed, kept, added;
	int flag; /* set by one thread for another */
} world;

static void check(bool good, const char *what)
{
	if (!good)
		machine_fail(what);
}

void *io_bus_memory(size_t size)
{
	void *memory = world.memory + world.used;

	if (world.no_memory)
		return NULL;
	world.used += (size + 63) / 64 * 64;
	check(world.used <= sizeof(world.memory),
	      "the model has too little memory");
	return memory;
}

/* A restartable sequence as other threads see it: see srcu_explore.c. */
bool __bf_srcu_rseq_inc(unsigned long *word)
{
	word += machine_self() *
		(sizeof(struct __bf_srcu_slot) / sizeof(*word));
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
	return true;
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

/* As in src/io_bus/bus.c.  A synchronous removal has no callback. */
void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque)
{
	if (!done)
		return;
	synchronize_srcu_expedited(&world.bus.srcu);
	done(opaque);
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

static void init_domain(struct srcu_struct *domain,
			struct __bf_srcu_slot *slots)
{
	*domain = (struct srcu_struct)__BF_SRCU_STRUCT_INIT(*domain, false);
	domain->slots = slots;
	domain->rseq_slots = slots;
	domain->reader_fences = false;
	bf_srcu_set_bank(domain, 0);
}

static void init_bus(void)
{
	memset(&world, 0, sizeof(world));
	bf_srcu_nr_slots = NR_SLOTS;
	init_domain(&world.bus.srcu, world.access_slots);
	init_domain(&world.bus.signals, world.signal_slots);
	world.bus.state = io_bus_memory(sizeof(*world.bus.state));
}

#endif
