/* SPDX-License-Identifier: MIT */
/*
 * Doorbells, by the rules of KVM_IOEVENTFD.
 *
 * What is registered at one address has a node of its own, found by address.
 * It holds either one doorbell of length 0, or for each length either one
 * wildcard or any number with different values: the collision rule leaves
 * nothing else.  So a write finds its doorbell with one lookup by address and,
 * where its length has datamatches, one by value, however many share the
 * address.
 */
#ifndef BF_IO_BUS_DOORBELL_H
#define BF_IO_BUS_DOORBELL_H

#include <errno.h>
#include <string.h>

#include "io_bus/bus.h"
#include "io_bus/counters.h"
#include "io_bus/removal.h"
#include "base/util.h"

#define BF_BELL_LENGTHS 4 /* 1, 2, 4, 8 */

/* What a ring needs comes first, so that it touches few cache lines. */
struct bf_io_doorbell {
	struct bf_trie_entry match; /* by datamatch, if not a wildcard */
	bf_io_ring_fn ring;	    /* NULL: eventfd */
	void *opaque;
	struct bf_shared_eventfd *eventfd;
	unsigned long rung;	      /* if counted */
	struct bf_counters *counters; /* NULL: not counted yet */
	bool dead;		      /* removed: must not signal any more */
	bool counted : 1;
	bool wildcard : 1;
	uint16_t space;
	uint32_t len;  /* 0: any */
	uint64_t addr; /* changers only, as the rest */
	uint64_t datamatch;
	const void *owner; /* NULL: bf_io_find_doorbell() finds it */
	struct bf_removal removal;
};

/* What is registered at one address of a space. */
struct bf_bell_addr {
	struct bf_node node;
	struct bf_trie_entry entry;		      /* by address */
	struct bf_io_doorbell *any;		      /* length 0 */
	struct bf_io_doorbell *wild[BF_BELL_LENGTHS]; /* any data, by length */
	uintptr_t matches[BF_BELL_LENGTHS];	      /* tries, by length */
};

/* The length of a doorbell with data to compare, as an index. */
static inline unsigned int bf_bell_length(uint32_t len)
{
	return (unsigned int)__builtin_ctz(len);
}

static inline bool bf_bell_is_length(uint32_t len)
{
	return len == 1 || len == 2 || len == 4 || len == 8;
}

static inline struct bf_bell_addr *bf_bell_addr_of(struct bf_trie_entry *entry)
{
	return container_of(entry, struct bf_bell_addr, entry);
}

static inline struct bf_io_doorbell *bf_bell_of(struct bf_trie_entry *entry)
{
	return container_of(entry, struct bf_io_doorbell, match);
}

/* What is there, in a section or with the bus locked; NULL: nothing. */
static inline struct bf_bell_addr *bf_bell_addr(const struct bf_io_roots *roots,
						uint64_t addr)
{
	struct bf_trie_entry *entry =
		bf_trie_find(&roots->doorbells, bf_trie_hash(addr));

	return entry ? bf_bell_addr_of(entry) : NULL;
}

static inline struct bf_io_doorbell *
bf_bell_match(const struct bf_bell_addr *at, uint32_t len, uint64_t value)
{
	struct bf_trie_entry *entry = bf_trie_find(
		&at->matches[bf_bell_length(len)], bf_trie_hash(value));

	return entry ? bf_bell_of(entry) : NULL;
}

/* The data as KVM compares it: zero-extended, from any alignment. */
static inline uint64_t bf_bell_value(const struct bf_io_access *access)
{
	uint64_t value = 0;
	uint32_t value32;
	uint16_t value16;

	switch (access->len) {
	case 1:
		return *(const uint8_t *)access->data;
	case 2:
		memcpy(&value16, access->data, sizeof(value16));
		return value16;
	case 4:
		memcpy(&value32, access->data, sizeof(value32));
		return value32;
	case 8:
		memcpy(&value, access->data, sizeof(value));
		return value;
	default:
		memcpy(&value, access->data, access->len);
		return value;
	}
}

/* doorbell_table.c: the same by description. */
struct bf_io_doorbell *bf_bell_find(const struct bf_io_state *state,
				    const struct bf_io_doorbell_desc *desc);

/* 0; -EEXIST, with conflict, which may be NULL, filled in; -ENOMEM. */
int bf_bell_add(struct bf_change *change, struct bf_io_doorbell *doorbell,
		struct bf_io_conflict *conflict);

/* 0 or -ENOMEM. */
int bf_bell_remove(struct bf_change *change,
		   const struct bf_io_doorbell *doorbell);

/* Frees all nodes of a trie that no reader sees; not the doorbells. */
void bf_bells_free(uintptr_t root);

/* In place, for want of memory; bus locked. */
void bf_bell_clear(struct bf_io_bus *bus,
		   const struct bf_io_doorbell *doorbell);

struct bf_io_party bf_bell_party(const struct bf_io_doorbell *doorbell);

/* Calls fn for each doorbell of an address; stops at a non-zero answer. */
int bf_bell_each(const struct bf_bell_addr *at,
		 int (*fn)(void *opaque, struct bf_io_doorbell *doorbell),
		 void *opaque);

/* doorbell.c; in a section of the bus: true when a doorbell took the write. */
bool bf_doorbell_ring(struct bf_io_bus *bus, const struct bf_io_roots *roots,
		      const struct bf_io_access *access);

/* A doorbell that is not published: 0 or what bf_io_add_doorbell() returns. */
int bf_doorbell_new(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_io_doorbell **doorbellp);

/* Nobody knows it any more. */
void bf_doorbell_free(struct bf_io_doorbell *doorbell);

/* Of a bus that ends: what has been counted, of all doorbells in a trie. */
void bf_doorbells_uncount(uintptr_t root);

/*
 * For a layer above, which validates eventfds itself:
 *
 * What bf_io_add_doorbell() checks before the eventfd: 0 or -EINVAL.
 */
static inline int bf_doorbell_check(const struct bf_io_doorbell_desc *desc)
{
	if (desc->len && !bf_bell_is_length(desc->len))
		return -EINVAL;
	/* The kernel refuses a range that ends at 2^64 exactly, too. */
	if (desc->addr + desc->len < desc->addr)
		return -EINVAL;
	if (desc->space >= BF_IO_SPACES || (!desc->len && !desc->wildcard))
		return -EINVAL;
	return 0;
}

/*
 * Registers a checked description with an eventfd from the bus's pool, to which
 * it takes over the reference, also on error.  Only bf_doorbell_find() with the
 * same owner finds the doorbell.  0, -EEXIST, -ENOMEM.
 */
int bf_doorbell_add(struct bf_io_bus *bus,
		    const struct bf_io_doorbell_desc *desc,
		    struct bf_shared_eventfd *eventfd, const void *owner,
		    struct bf_io_doorbell **doorbellp);

/* The doorbell that bf_io_find_doorbell() would find, or NULL. */
struct bf_io_doorbell *bf_doorbell_find(struct bf_io_bus *bus,
					const struct bf_io_doorbell_desc *desc,
					const void *owner);

/* The same by all but its eventfd: no other has the rest in common. */
struct bf_io_doorbell *bf_doorbell_at(struct bf_io_bus *bus,
				      const struct bf_io_doorbell_desc *desc,
				      const void *owner);

/* bf_io_remove_doorbell(); returns how often it was rung, for good. */
uint64_t bf_doorbell_remove(struct bf_io_bus *bus,
			    struct bf_io_doorbell *doorbell);

/* The bus's own duplicate of the eventfd. */
int bf_doorbell_fd(const struct bf_io_doorbell *doorbell);

#endif
