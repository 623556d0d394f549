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

#include "base/span_tree.h"
#include "belfry/io_bus.h"
#include "belfry/srcu.h"
#include "io_bus/eventfd.h"

/* The entries of a space. */
struct bf_io_roots {
	uintptr_t doorbells;	     /* a trie of struct bf_doorbell_addr */
	struct bf_span_node *zones;  /* of struct bf_zone_entry */
	struct bf_span_node *ranges; /* of struct bf_range_entry */
	bool counting;		     /* the same in all spaces */
};

struct bf_io_state {
	struct bf_io_roots space[BF_IO_SPACES];
	struct srcu_head head;
	struct bf_node *replaced; /* nodes that the next state does not have */
};

struct bf_io_bus {
	char name[32];		 /* first: probes take the bus for its name */
	struct srcu_struct srcu; /* a section covers an access */
	struct srcu_struct consumer_srcu; /* ... the consumer of a doorbell */
	/* On a cache line that changes do not write more often than this. */
	struct bf_io_state *state __attribute__((aligned(64)));
	pthread_mutex_t lock __attribute__((aligned(64))); /* of changes */
	uint64_t changes; /* published so far */
	struct bf_eventfd_pool eventfds;
};

/* A change that is not published yet; the bus is locked. */
struct bf_change {
	struct bf_io_bus *bus;
	struct bf_io_state *state;
	struct bf_edit edit;
};

static inline struct bf_io_roots *bf_change_roots(struct bf_change *change,
						  unsigned int space)
{
	return &change->state->space[space];
}

/*
 * Locks the bus and begins a change: 0, or -ENOMEM with the bus not locked.
 * The caller ends the change with one of the other two functions, which unlock
 * the bus.  After an error only bf_change_abort() is allowed.
 */
int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus);
void bf_change_commit(struct bf_change *change);
void bf_change_abort(struct bf_change *change);

/* Counts a change that was made in place; bus locked. */
void bf_change_count(struct bf_io_bus *bus);

/*
 * Calls fn after a grace period of bus->srcu: at once if no access is under
 * way, which spares waking the SRCU worker.  Bus not locked.
 */
void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head));

/* The removal of a range, a zone or a doorbell, as a part of that entry. */
struct bf_removal {
	struct srcu_head head;
	struct bf_io_bus *bus;
	const struct bf_io_txn *txn; /* that moves or removes it; NULL: none */
	void (*release)(struct bf_removal *removal);
	bf_io_done_fn done; /* may be NULL */
	void *opaque;
};

/* No access can see the entry: frees it and calls done. */
void bf_removal_complete(struct bf_removal *removal);

/* Does so after a grace period.  The entry is unpublished; bus not locked. */
void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque);

/* Keeps at most 31 characters; NULL is "". */
void bf_io_copy_name(char name[32], const char *from);

/* Are the reserved words of a description 0? */
static inline bool bf_io_reserved_ok(const uint64_t reserved[4])
{
	return !(reserved[0] | reserved[1] | reserved[2] | reserved[3]);
}

#endif
