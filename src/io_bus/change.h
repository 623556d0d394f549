/* SPDX-License-Identifier: MIT */
/*
 * Changes of a bus, and its entries: the common part of doorbells, zones and
 * ranges, from the publication to the end of the removal.
 */
#ifndef BF_IO_BUS_CHANGE_H
#define BF_IO_BUS_CHANGE_H

#include "io_bus/bus.h"

/* A change that is not published yet; the bus is locked. */
struct bf_change {
	struct bf_io_bus *bus;
	struct bf_io_state *state;
	struct bf_edit edit;
};

/*
 * Locks the bus and begins a change: 0, or -ENOMEM with the bus not locked.
 * The caller ends the change with one of the other two functions, which unlock
 * the bus.  After an error only bf_change_abort() is allowed.
 */
int bf_change_begin(struct bf_change *change, struct bf_io_bus *bus);
void bf_change_commit(struct bf_change *change);
void bf_change_abort(struct bf_change *change);

/*
 * Calls fn after a grace period of bus->srcu: at once if no access is under
 * way, which spares waking the SRCU worker.  Bus not locked.
 */
void bf_io_defer(struct bf_io_bus *bus, struct srcu_head *head,
		 void (*fn)(struct srcu_head *head));

struct bf_entry;

/* Of a kind.  The bus is locked in all but release. */
struct bf_entry_ops {
	/* 0; -EEXIST, with *existing set; -ENOMEM. */
	int (*add)(struct bf_change *change, struct bf_entry *entry,
		   struct bf_entry **existing);
	/* 0 or -ENOMEM. */
	int (*remove)(struct bf_change *change, const struct bf_entry *entry);
	/* Removes the entry from published trees, without memory. */
	void (*clear)(struct bf_io_roots *roots, const struct bf_entry *entry);
	/* Releases all but the memory; no access uses the entry. */
	void (*release)(struct bf_entry *entry);
};

/* The first member of a doorbell, zone or range. */
struct bf_entry {
	const struct bf_entry_ops *ops;
	struct bf_io_bus *bus;
	uint64_t addr; /* changed with the bus locked; accesses take it from
			  their tree */
	uint64_t size; /* of a doorbell: its length */
	uint64_t datamatch;
	const char *name; /* of a zone or a range */
	enum bf_io_kind kind;
	uint16_t space;
	bool wildcard;
	struct bf_counters *counters; /* NULL: nothing was counted yet */
	const struct bf_io_txn *txn;  /* that moves or removes it; NULL: none */
	struct srcu_head head;
	bf_io_done_fn done; /* of the removal; may be NULL */
	void *done_opaque;
};

static inline struct bf_io_roots *bf_entry_roots(struct bf_io_state *state,
						 const struct bf_entry *entry)
{
	return &state->space[entry->space];
}

/* 0, or -EINVAL: an entry at addr would wrap. */
int bf_entry_check_addr(const struct bf_entry *entry, uint64_t addr);

/*
 * Adds an entry to the trees of a change: 0; -EEXIST, with conflict, which may
 * be NULL, set; -ENOMEM.
 */
int bf_entry_add(struct bf_change *change, struct bf_entry *entry,
		 struct bf_io_conflict *conflict);

/* Publishes a new entry, or frees it and returns what bf_entry_add() does. */
int bf_entry_publish(struct bf_entry *entry, struct bf_io_conflict *conflict);

/* Takes an entry out of the trees; cannot fail. */
void bf_entry_unpublish(struct bf_entry *entry);

/* Frees an entry that no access can see. */
void bf_entry_free(struct bf_entry *entry);

/* Frees an entry that no access can see, and reports the removal. */
void bf_entry_removed(struct bf_entry *entry);

/* A removal that does not wait; see bf_io_remove_range_async(). */
void bf_entry_remove_async(struct bf_entry *entry, bf_io_done_fn done,
			   void *opaque);

/* Calls fn until it returns other than 0.  The span is that of the tree. */
typedef int (*bf_entry_fn)(void *opaque, struct bf_span span,
			   struct bf_entry *entry);

#endif
