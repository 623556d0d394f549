/* SPDX-License-Identifier: MIT */
/*
 * What the models of the bus have in common: its source but for the ranges, one
 * bus, the memory that it takes, and waiting for its accesses.
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
#define put put_entry /* there is another one */
#include "io_bus/trie.c"
#undef put
#include "io_bus/doorbell_table.c"
#include "io_bus/change.c"
#include "io_bus/doorbell.c"
#include "io_bus/access.c"
#include "io_bus_stubs.h"

#define NR_SLOTS MACHINE_THREADS

/* Whom the bus calls. */
struct consumer {
	uint64_t value; /* that it is told; of doorbells */
	int gone;
};

static struct {
	struct bf_io_bus bus;
	struct __srcu_slot access_slots[NR_SLOTS], signal_slots[NR_SLOTS];
	_Alignas(64) char memory[6656];
	size_t used;
	bool no_memory; /* any more: removals are made in place */
	struct consumer going, staying, coming;
	int told; /* by one thread to another */
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

/* What a restartable sequence is to the others: see srcu_explore.c. */
bool __srcu_rseq_inc(unsigned long *word)
{
	word += machine_self() * (sizeof(struct __srcu_slot) / sizeof(*word));
	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
	return true;
}

/* Once a thread and domain: what comes after it depends on memory alone. */
void synchronize_srcu_expedited(struct srcu_struct *ssp)
{
	srcu_gp_start(ssp);
	while (!srcu_gp_advance(ssp)) {
		machine_checkpoint(ssp == &world.bus.srcu);
		machine_wait();
	}
}

/* Its removal is over: nobody is to call it any more. */
static void let_go(void *opaque)
{
	struct consumer *consumer = opaque;

	__atomic_store_n(&consumer->gone, 1, __ATOMIC_RELAXED);
}

static void check_called(const struct consumer *consumer)
{
	check(!__atomic_load_n(&consumer->gone, __ATOMIC_RELAXED),
	      "a consumer was called that is gone");
}

/* As src/io_bus/bus.c does.  A removal that waits is over without it. */
void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque)
{
	if (!done)
		return;
	synchronize_srcu_expedited(&world.bus.srcu);
	done(opaque);
}

static void tell(void)
{
	__atomic_store_n(&world.told, 1, __ATOMIC_RELEASE);
}

static bool was_told(void)
{
	return __atomic_load_n(&world.told, __ATOMIC_ACQUIRE);
}

static struct bf_io_doorbell *add_bell(const struct bf_io_doorbell_desc *desc)
{
	struct bf_io_doorbell *doorbell = NULL;

	check(!bf_io_add_doorbell(&world.bus, desc, &doorbell, NULL),
	      "a registration failed");
	return doorbell;
}

static void init_domain(struct srcu_struct *domain, struct __srcu_slot *slots)
{
	*domain = (struct srcu_struct)__SRCU_STRUCT_INIT(*domain, false);
	domain->slots = slots;
	domain->rseq_slots = slots;
	domain->reader_fences = false;
	srcu_set_bank(domain, 0);
}

static void init_bus(void)
{
	memset(&world, 0, sizeof(world));
	srcu_nr_slots = NR_SLOTS;
	init_domain(&world.bus.srcu, world.access_slots);
	init_domain(&world.bus.signals, world.signal_slots);
	world.bus.state = io_bus_memory(sizeof(*world.bus.state));
}

#endif
