// SPDX-License-Identifier: MIT
/* Transactions: lists of operations, which a commit makes in one change. */
#include <errno.h>
#include <stdlib.h>

#include "base/util.h"
#include "belfry/io_txn.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/region.h"

enum op_kind {
	OP_ADD,
	OP_REMOVE,
	OP_MOVE,
};

struct op {
	enum op_kind kind;
	struct bf_entry *entry;
	uint64_t addr; /* of a move: the new address; once made: the old one */
};

struct bf_io_txn {
	struct bf_io_bus *bus;
	struct op *ops;
	size_t count;
	size_t room;
	struct srcu_head head;
};

static void txn_free(struct bf_io_txn *txn)
{
	free(txn->ops);
	free(txn);
}

int bf_io_txn_begin(struct bf_io_bus *bus, struct bf_io_txn **txnp)
{
	struct bf_io_txn *txn = calloc(1, sizeof(*txn));

	if (!txn)
		return -ENOMEM;
	txn->bus = bus;
	*txnp = txn;
	return 0;
}

/* Clears the callback so that a later removal does not call it. */
static void removal_cancel(struct bf_entry *entry)
{
	entry->txn = NULL;
	entry->done = NULL;
}

void bf_io_txn_abort(struct bf_io_txn *txn)
{
	size_t i;

	if (!txn)
		return;
	for (i = 0; i < txn->count; i++) {
		if (txn->ops[i].kind == OP_ADD)
			bf_entry_free(txn->ops[i].entry);
		else
			removal_cancel(txn->ops[i].entry);
	}
	txn_free(txn);
}

static int txn_reserve(struct bf_io_txn *txn)
{
	size_t room = txn->room ? 2 * txn->room : 8;
	struct op *ops;

	if (txn->count < txn->room)
		return 0;
	ops = realloc(txn->ops, room * sizeof(*ops));
	if (!ops)
		return -ENOMEM;
	txn->ops = ops;
	txn->room = room;
	return 0;
}

/* Records an operation. */
static int txn_put(struct bf_io_txn *txn, enum op_kind kind,
		   struct bf_entry *entry, uint64_t addr)
{
	int ret;

	if (entry->bus != txn->bus)
		return -EINVAL;
	ret = entry->txn ? -EBUSY : txn_reserve(txn);
	if (ret)
		return ret;
	txn->ops[txn->count++] = (struct op){kind, entry, addr};
	entry->txn = txn;
	return 0;
}

/* Records an addition, or frees the entry. */
static int txn_put_addition(struct bf_io_txn *txn, struct bf_entry *entry)
{
	int ret = txn_put(txn, OP_ADD, entry, entry->addr);

	if (ret)
		bf_entry_free(entry);
	return ret;
}

int bf_io_txn_add_range(struct bf_io_txn *txn,
			const struct bf_io_range_desc *desc,
			struct bf_io_range **rangep)
{
	struct bf_io_range *range;
	int ret = bf_range_new(txn->bus, desc, &range);

	if (!ret)
		ret = txn_put_addition(txn, &range->region.entry);
	if (!ret && rangep)
		*rangep = range;
	return ret;
}

int bf_io_txn_add_zone(struct bf_io_txn *txn,
		       const struct bf_io_zone_desc *desc,
		       struct bf_io_zone **zonep)
{
	struct bf_io_zone *zone;
	int ret = bf_zone_new(txn->bus, desc, &zone);

	if (!ret)
		ret = txn_put_addition(txn, &zone->region.entry);
	if (!ret && zonep)
		*zonep = zone;
	return ret;
}

int bf_io_txn_add_doorbell(struct bf_io_txn *txn,
			   const struct bf_io_doorbell_desc *desc,
			   struct bf_io_doorbell **doorbellp)
{
	struct bf_io_doorbell *doorbell;
	int ret = bf_doorbell_new(txn->bus, desc, &doorbell);

	if (!ret)
		ret = txn_put_addition(txn, &doorbell->entry);
	if (!ret && doorbellp)
		*doorbellp = doorbell;
	return ret;
}

static int txn_put_removal(struct bf_io_txn *txn, struct bf_entry *entry,
			   bf_io_done_fn done, void *opaque)
{
	int ret = txn_put(txn, OP_REMOVE, entry, entry->addr);

	if (ret)
		return ret;
	entry->done = done;
	entry->done_opaque = opaque;
	return 0;
}

int bf_io_txn_remove_range(struct bf_io_txn *txn, struct bf_io_range *range,
			   bf_io_done_fn done, void *opaque)
{
	return txn_put_removal(txn, &range->region.entry, done, opaque);
}

int bf_io_txn_remove_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			  bf_io_done_fn done, void *opaque)
{
	return txn_put_removal(txn, &zone->region.entry, done, opaque);
}

int bf_io_txn_remove_doorbell(struct bf_io_txn *txn,
			      struct bf_io_doorbell *doorbell,
			      bf_io_done_fn done, void *opaque)
{
	return txn_put_removal(txn, &doorbell->entry, done, opaque);
}

static int txn_put_move(struct bf_io_txn *txn, struct bf_entry *entry,
			uint64_t addr)
{
	int ret = bf_entry_check_addr(entry, addr);

	return ret ? ret : txn_put(txn, OP_MOVE, entry, addr);
}

int bf_io_txn_move_range(struct bf_io_txn *txn, struct bf_io_range *range,
			 uint64_t addr)
{
	return txn_put_move(txn, &range->region.entry, addr);
}

int bf_io_txn_move_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			uint64_t addr)
{
	return txn_put_move(txn, &zone->region.entry, addr);
}

int bf_io_txn_move_doorbell(struct bf_io_txn *txn,
			    struct bf_io_doorbell *doorbell, uint64_t addr)
{
	return txn_put_move(txn, &doorbell->entry, addr);
}

static int txn_remove_all(struct bf_io_txn *txn, struct bf_change *change)
{
	struct bf_entry *entry;
	size_t i;
	int ret = 0;

	for (i = 0; i < txn->count && !ret; i++) {
		entry = txn->ops[i].entry;
		if (txn->ops[i].kind != OP_ADD)
			ret = entry->ops->remove(change, entry);
	}
	return ret;
}

static int txn_add_all(struct bf_io_txn *txn, struct bf_change *change,
		       struct bf_io_conflict *conflict)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < txn->count && !ret; i++)
		if (txn->ops[i].kind != OP_REMOVE)
			ret = bf_entry_add(change, txn->ops[i].entry, conflict);
	return ret;
}

/* Swaps the addresses of moved entries and those of their operations. */
static void txn_swap_moved(struct bf_io_txn *txn)
{
	struct op *op;
	uint64_t addr;
	size_t i;

	for (i = 0; i < txn->count; i++) {
		op = &txn->ops[i];
		if (op->kind != OP_MOVE)
			continue;
		addr = op->addr;
		op->addr = op->entry->addr;
		op->entry->addr = addr;
	}
}

/* The addresses of entries change here; only holders of the lock read them. */
static int txn_apply(struct bf_io_txn *txn, struct bf_change *change,
		     struct bf_io_conflict *conflict)
{
	int ret = txn_remove_all(txn, change);

	if (ret)
		return ret;
	txn_swap_moved(txn);
	ret = txn_add_all(txn, change, conflict);
	if (ret)
		txn_swap_moved(txn);
	return ret;
}

static void op_probe(const struct bf_io_bus *bus, const struct op *op)
{
	const struct bf_entry *entry = op->entry;

	if (op->kind != OP_REMOVE)
		PROBE_REGISTER(bus, entry->kind, entry->space, entry->addr,
			       entry->size);
	if (op->kind != OP_ADD)
		PROBE_REMOVE(bus, entry->kind, entry->space, op->addr,
			     entry->size);
}

/* Bus locked, after txn_apply().  True: there are removals to complete. */
static bool txn_release_entries(struct bf_io_txn *txn)
{
	bool removals = false;
	size_t i;

	for (i = 0; i < txn->count; i++) {
		op_probe(txn->bus, &txn->ops[i]);
		if (txn->ops[i].kind == OP_REMOVE)
			removals = true;
		else
			txn->ops[i].entry->txn = NULL;
	}
	return removals;
}

static void txn_removals_done(struct srcu_head *head)
{
	struct bf_io_txn *txn = container_of(head, struct bf_io_txn, head);
	size_t i;

	for (i = 0; i < txn->count; i++)
		if (txn->ops[i].kind == OP_REMOVE)
			bf_entry_removed(txn->ops[i].entry);
	txn_free(txn);
}

int bf_io_txn_commit(struct bf_io_txn *txn, struct bf_io_conflict *conflict)
{
	struct bf_change change;
	bool removals;
	int ret = bf_change_begin(&change, txn->bus);

	if (!ret) {
		ret = txn_apply(txn, &change, conflict);
		if (ret)
			bf_change_abort(&change);
	}
	if (ret) {
		bf_io_txn_abort(txn);
		return ret;
	}
	removals = txn_release_entries(txn);
	bf_change_commit(&change);
	if (removals)
		bf_io_defer(txn->bus, &txn->head, txn_removals_done);
	else
		txn_free(txn);
	return 0;
}

int bf_io_move_range(struct bf_io_bus *bus, struct bf_io_range *range,
		     uint64_t addr, struct bf_io_conflict *conflict)
{
	struct bf_io_txn *txn;
	int ret = bf_io_txn_begin(bus, &txn);

	if (ret)
		return ret;
	ret = bf_io_txn_move_range(txn, range, addr);
	if (ret) {
		bf_io_txn_abort(txn);
		return ret;
	}
	return bf_io_txn_commit(txn, conflict);
}
