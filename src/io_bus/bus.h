/* SPDX-License-Identifier: MIT */
/*
 * The structures of a bus.
 *
 * Accesses read one struct bf_io_state, which each change replaces as a whole.
 * Consecutive states share the nodes of their trees (base/edit.h).  An access
 * loads the state once, so all its parts see the same one.
 */
#ifndef BF_IO_BUS_BUS_H
#define BF_IO_BUS_BUS_H

#include "belfry/io_bus.h"
#include "belfry/srcu.h"
#include "io_bus/eventfd.h"
#include "io_bus/layer.h"
#include "srcu/deferred.h"

/* The doorbells of a space: a tree by address for each length, and for 0. */
#define BF_DOORBELL_LENGTHS 5
struct bf_doorbell_trees {
	struct bf_span_node *by_length[BF_DOORBELL_LENGTHS];
};

/* The entries of a space.  First the words that each access reads. */
struct bf_io_roots {
	bool had_doorbells;
	uint32_t priorities;	/* of the layers of ranges: see region.c */
	struct bf_layer zones;	/* of struct bf_region_span */
	struct bf_layer ranges; /* of struct bf_region_span */
	struct bf_doorbell_trees doorbells;
};

struct bf_io_state {
	struct bf_node node; /* its stamp is the number of the change */
	bool counting;
	uint16_t spaces; /* all that have had entries are below */
	struct srcu_head head;
	struct bf_node *replaced; /* itself, and nodes that the next one lacks */
	struct bf_io_roots space[];
};

struct bf_io_bus {
	char name[32];		 /* first: probes take the bus for its name */
	struct srcu_struct srcu; /* a section covers an access */
	struct srcu_struct consumer_srcu; /* ... the consumer of a doorbell */
	/* On a cache line that changes do not write more often than these. */
	struct bf_io_state *state __attribute__((aligned(64)));
	uint64_t changes;				   /* made so far */
	pthread_mutex_t lock __attribute__((aligned(64))); /* of changes */
	struct bf_deferred deferred; /* replaced states, removed doorbells */
	struct bf_eventfd_pool eventfds;
};

/* In a section.  An access calls this once, so all its parts see one state. */
static inline const struct bf_io_state *bf_bus_state(struct bf_io_bus *bus)
{
	return srcu_dereference(bus->state, &bus->srcu);
}

#endif
