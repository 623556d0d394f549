/* SPDX-License-Identifier: MIT */
/*
 * Doorbells, by the rules of KVM_IOEVENTFD.
 *
 * The collision rule allows at one address either a single doorbell of length
 * 0, or for each length either one wildcard or any number of datamatches.  So a
 * space has a tree by address for each length, and an entry of it has one
 * wildcard or a tree by datamatch.  A write makes at most two searches, however
 * many doorbells share the address; and a third one if there are doorbells of
 * length 0.
 */
#ifndef BF_IO_BUS_DOORBELL_H
#define BF_IO_BUS_DOORBELL_H

#include <string.h>

#include "base/util.h"
#include "io_bus/change.h"

struct bf_io_doorbell {
	struct bf_entry entry;
	struct bf_shared_eventfd *eventfd; /* NULL: callback */
	bool dead;			   /* must not signal any more */
	bool counted;
	bf_io_doorbell_fn callback;
	void *opaque;
	uint64_t signals;  /* if counted */
	const void *owner; /* NULL: bf_io_find_doorbell() finds it */
};

/* The data as KVM compares it: zero-extended, from any alignment. */
static inline uint64_t bf_access_value(const struct bf_io_access *access)
{
	uint64_t value = 0;

	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "the data begins at the low byte");
	memcpy(&value, access->data, access->len);
	return value;
}

static inline struct bf_io_doorbell *
bf_doorbell_of(const struct bf_entry *entry)
{
	return container_of(entry, struct bf_io_doorbell, entry);
}

/*
 * A doorbell in a tree.  A write to an eventfd needs no more than this: among
 * many doorbells, the doorbell itself would be one more cache miss.
 */
struct bf_doorbell_target {
	struct bf_io_doorbell *doorbell;   /* NULL: there is none */
	struct bf_shared_eventfd *eventfd; /* NULL: the doorbell tells more */
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

/*
 * The trees of doorbells (doorbell_tree.c):
 *
 * Is the length that of a doorbell?
 */
bool bf_doorbell_len_valid(uint32_t len);

/* In a section: the doorbell that a write matches. */
struct bf_doorbell_target
bf_doorbell_match(const struct bf_doorbell_trees *trees,
		  const struct bf_io_access *access);

/* Bus locked: the doorbell of a description, with any consumer; NULL: none. */
struct bf_io_doorbell *
bf_doorbell_lookup(const struct bf_io_state *state,
		   const struct bf_io_doorbell_desc *desc);

/* Operations of struct bf_entry_ops. */
int bf_doorbell_tree_add(struct bf_change *change, struct bf_entry *entry,
			 struct bf_entry **existing);
int bf_doorbell_tree_remove(struct bf_change *change,
			    const struct bf_entry *entry);
void bf_doorbell_tree_clear(struct bf_io_roots *roots,
			    const struct bf_entry *entry);

/* Visits all doorbells of a space. */
int bf_doorbells_each(const struct bf_doorbell_trees *trees, bf_entry_fn fn,
		      void *opaque);

/* Frees trees that no access can see, and their doorbells. */
void bf_doorbells_free(const struct bf_doorbell_trees *trees);

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
