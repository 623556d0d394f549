/* SPDX-License-Identifier: MIT */
/*
 * Doorbells, by the rules of KVM_IOEVENTFD.
 *
 * The collision rule allows at one address either a single doorbell of length
 * 0, or for each length either one wildcard or any number of datamatches.  So
 * each address with doorbells has a node, which a write finds by address, and
 * the node has a trie by datamatch for each length.  A write takes at most two
 * searches, however many doorbells share the address.
 */
#ifndef BF_IO_BUS_DOORBELL_H
#define BF_IO_BUS_DOORBELL_H

#include "io_bus/bus.h"
#include "io_bus/counters.h"
#include "io_bus/trie.h"

/* A write reads the first members, which mostly share a cache line. */
struct bf_io_doorbell {
	struct bf_trie_entry match;	   /* by datamatch, unless a wildcard */
	struct bf_shared_eventfd *eventfd; /* NULL: callback */
	bool dead;			   /* removed: must not signal */
	bool counted;
	bool wildcard;
	uint16_t space;
	bf_io_doorbell_fn callback;
	void *opaque;
	uint64_t signals;	      /* if counted */
	struct bf_counters *counters; /* NULL: nothing was counted yet */
	uint32_t len;		      /* 0: any */
	uint64_t addr; /* changed with the bus locked; readers use the trie's */
	uint64_t datamatch;
	const void *owner; /* NULL: bf_io_find_doorbell() finds it */
	struct bf_removal removal;
};

#define BF_DOORBELL_LENGTHS 4 /* 1, 2, 4, 8 */

/* The doorbells at one address of a space. */
struct bf_doorbell_addr {
	struct bf_node node;
	struct bf_trie_entry entry; /* by address */
	struct bf_io_doorbell *any; /* length 0 */
	/* By length: the wildcard, and the trie of the others. */
	struct bf_io_doorbell *wildcard[BF_DOORBELL_LENGTHS];
	uintptr_t matches[BF_DOORBELL_LENGTHS];
};

static inline struct bf_doorbell_addr *
bf_doorbell_addr_of(struct bf_trie_entry *entry)
{
	return container_of(entry, struct bf_doorbell_addr, entry);
}

/*
 * In a section of the bus: true if a doorbell took the write, and taken_by is
 * set.
 */
bool bf_doorbell_dispatch(struct bf_io_bus *bus,
			  const struct bf_io_roots *roots,
			  struct bf_io_access *access);

/* A doorbell that is not published: 0, or what bf_io_add_doorbell() returns. */
int bf_doorbell_new(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_io_doorbell **doorbellp);

/* Frees a doorbell that no access can see. */
void bf_doorbell_free(struct bf_io_doorbell *doorbell);

/* Frees a trie that no access can see, with its doorbells. */
void bf_doorbells_destroy(uintptr_t root);

/* 0; -EEXIST, with conflict, which may be NULL, set; -ENOMEM. */
int bf_doorbell_change_add(struct bf_change *change,
			   struct bf_io_doorbell *doorbell,
			   struct bf_io_conflict *conflict);

/* 0 or -ENOMEM. */
int bf_doorbell_change_remove(struct bf_change *change,
			      const struct bf_io_doorbell *doorbell);

struct bf_io_party bf_doorbell_party(const struct bf_io_doorbell *doorbell);

/* Calls fn for each doorbell of an address until it returns other than 0. */
int bf_doorbell_each(const struct bf_doorbell_addr *at,
		     int (*fn)(void *opaque, struct bf_io_doorbell *doorbell),
		     void *opaque);

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

/* As bf_io_find_doorbell(), among the doorbells of an owner; NULL: none. */
struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner);

/* The same with any eventfd: no two doorbells have all the rest in common. */
struct bf_io_doorbell *bf_doorbell_at(struct bf_io_bus *bus,
				      const struct bf_io_doorbell_desc *desc,
				      const void *owner);

/* As bf_io_remove_doorbell(); returns the final bf_io_doorbell_signals(). */
uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell);

/* The bus's duplicate of the eventfd. */
int bf_doorbell_fd(const struct bf_io_doorbell *doorbell);

#endif
