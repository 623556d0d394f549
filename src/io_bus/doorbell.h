/* SPDX-License-Identifier: MIT */
/*
 * Doorbells, by the rules of KVM_IOEVENTFD.
 *
 * The collision rule allows at one address either a single doorbell of length
 * 0, or for each length either one wildcard or any number of datamatches.  So
 * the tree of a space has an entry for each address with doorbells, and that
 * entry has a tree by datamatch for each length.  A write makes at most two
 * searches, however many doorbells share the address.
 */
#ifndef BF_IO_BUS_DOORBELL_H
#define BF_IO_BUS_DOORBELL_H

#include "io_bus/entry.h"

struct bf_io_doorbell {
	struct bf_shared_eventfd *eventfd; /* NULL: callback */
	bool dead;			   /* must not signal any more */
	bool counted;
	bf_io_doorbell_fn callback;
	void *opaque;
	uint64_t signals; /* if counted */
	struct bf_entry entry;
	const void *owner; /* NULL: bf_io_find_doorbell() finds it */
};

/*
 * In a section of the bus: true if a doorbell took the write, and taken_by is
 * set.
 */
bool bf_doorbell_dispatch(struct bf_io_bus *bus,
			  const struct bf_io_state *state,
			  struct bf_io_access *access);

/* A doorbell that is not published: 0, or what bf_io_add_doorbell() returns. */
int bf_doorbell_new(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_io_doorbell **doorbellp);

/* Visits all doorbells below the root of a space. */
int bf_doorbells_each(const struct bf_span_node *root, bf_entry_fn fn,
		      void *opaque);

/* Frees a tree that no access can see, but not its doorbells. */
void bf_doorbells_free(struct bf_span_node *root);

/*
 * For the front, which validates descriptions and eventfds itself:
 *
 * Registers a valid description with an eventfd from the bus's pool, to which
 * it takes over the reference, also on error.  Only bf_doorbell_find() with the
 * same owner finds the doorbell.  @room bytes of zeroes for the owner live
 * as long as the doorbell; bf_io_doorbell_opaque() returns them.  0, -EEXIST,
 * -ENOMEM.
 */
int bf_doorbell_add(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_shared_eventfd *eventfd, const void *owner,
		    size_t room, struct bf_io_doorbell **doorbellp);

/*
 * As bf_io_find_doorbell(), among the doorbells of an owner; with
 * BF_IO_CONSUMER_NONE whichever the consumer is, as no two doorbells have all
 * the rest in common.  NULL: none.
 */
struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner);

/* As bf_io_remove_doorbell(); returns the final bf_io_doorbell_signals(). */
uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell);

/* The bus's duplicate of the eventfd. */
int bf_doorbell_fd(const struct bf_io_doorbell *doorbell);

#endif
