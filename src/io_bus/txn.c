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
	OP_ADD, /* 0, for initializers */
	OP_REMOVE,
	OP_MOVE,
};

struct op {
	enum op_kind kind;
	struct bf_region *region;	 /* NULL: a doorbell */
	struct bf_io_doorbell *doorbell; /* NULL: a region */
	uint64_t addr; /* of a move: the new address; once made: the old one */
};

struct bf_io_txn {
	struct bf_io_bus *bus;
	struct op *ops;
	size_t count;
	size_t room;
	struct srcu_head head;
};

static struct bf_removal *op_removal(const struct op *op)
{
	return op->region ? &op->region->removal : &op->doorbell->removal;
}

static void op_free_entry(const struct op *op)
{
	if (op->region)
		bf_region_free(op->region);
	else
		bf_doorbell_free(op->doorbell);
}

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
static void removal_cancel(struct bf_removal *removal)
{
	removal->txn = NULL;
	removal->done = NULL;
}

void bf_io_txn_abort(struct bf_io_txn *txn)
{
	size_t i;

	if (!txn)
		return;
	for (i = 0; i < txn->count; i++) {
		if (txn->ops[i].kind == OP_ADD)
			op_free_entry(&txn->ops[i]);
		else
			removal_cancel(op_removal(&txn->ops[i]));
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

static void txn_append(struct bf_io_txn *txn, const struct op *op)
{
	txn->ops[txn->count++] = *op;
	op_removal(op)->txn = txn;
}

/* Records an addition, or frees its entry. */
static int txn_put_addition(struct bf_io_txn *txn, const struct op *op)
{
	int ret = txn_reserve(txn);

	if (ret)
		op_free_entry(op);
	else
		txn_append(txn, op);
	return ret;
}

int bf_io_txn_add_range(struct bf_io_txn *txn,
			const struct bf_io_range_desc *desc,
			struct bf_io_range **rangep)
{
	struct bf_io_range *range;
	int ret = bf_range_new(txn->bus, desc, &range);

	if (ret)
		return ret;
	ret = txn_put_addition(txn, &(struct op){.region = &range->region});
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

	if (ret)
		return ret;
	ret = txn_put_addition(txn, &(struct op){.region = &zone->region});
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

	if (ret)
		return ret;
	ret = txn_put_addition(txn, &(struct op){.doorbell = doorbell});
	if (!ret && doorbellp)
		*doorbellp = doorbell;
	return ret;
}

/* Records a removal or a move. */
static int txn_put(struct bf_io_txn *txn, const struct op *op)
{
	int ret;

	if (op_removal(op)->txn)
		return -EBUSY;
	ret = txn_reserve(txn);
	if (!ret)
		txn_append(txn, op);
	return ret;
}

static int txn_put_removal(struct bf_io_txn *txn, const struct op *op,
			   bf_io_done_fn done, void *opaque)
{
	int ret = txn_put(txn, op);

	if (ret)
		return ret;
	op_removal(op)->done = done;
	op_removal(op)->opaque = opaque;
	return 0;
}

int bf_io_txn_remove_range(struct bf_io_txn *txn, struct bf_io_range *range,
			   bf_io_done_fn done, void *opaque)
{
	const struct op op = {.kind = OP_REMOVE, .region = &range->region};

	return txn_put_removal(txn, &op, done, opaque);
}

int bf_io_txn_remove_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			  bf_io_done_fn done, void *opaque)
{
	const struct op op = {.kind = OP_REMOVE, .region = &zone->region};

	return txn_put_removal(txn, &op, done, opaque);
}

int bf_io_txn_remove_doorbell(struct bf_io_txn *txn,
			      struct bf_io_doorbell *doorbell,
			      bf_io_done_fn done, void *opaque)
{
	const struct op op = {.kind = OP_REMOVE, .doorbell = doorbell};

	return txn_put_removal(txn, &op, done, opaque);
}

static int txn_put_region_move(struct bf_io_txn *txn, struct bf_region *region,
			       uint64_t addr)
{
	const struct op op = {OP_MOVE, .region = region, .addr = addr};
	struct bf_span span;
	int ret = bf_region_span_at(region, addr, &span);

	return ret ? ret : txn_put(txn, &op);
}

int bf_io_txn_move_range(struct bf_io_txn *txn, struct bf_io_range *range,
			 uint64_t addr)
{
	return txn_put_region_move(txn, &range->region, addr);
}

int bf_io_txn_move_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			uint64_t addr)
{
	return txn_put_region_move(txn, &zone->region, addr);
}

int bf_io_txn_move_doorbell(struct bf_io_txn *txn,
			    struct bf_io_doorbell *doorbell, uint64_t addr)
{
	const struct op op = {OP_MOVE, .doorbell = doorbell, .addr = addr};

	if (addr + doorbell->len < addr)
		return -EINVAL;
	return txn_put(txn, &op);
}

static int op_remove(struct bf_change *change, const struct op *op)
{
	return op->region ? bf_region_remove(change, op->region) :
			    bf_doorbell_change_remove(change, op->doorbell);
}

static int op_add(struct bf_change *change, const struct op *op,
		  struct bf_io_conflict *conflict)
{
	return op->region ?
		       bf_region_add(change, op->region, conflict) :
		       bf_doorbell_change_add(change, op->doorbell, conflict);
}

/* Swaps the address of the entry and that of the operation. */
static void op_swap_addr(struct op *op)
{
	uint64_t addr = op->addr;

	if (op->region) {
		op->addr = op->region->span.first;
		bf_region_span_at(op->region, addr, &op->region->span);
	} else {
		op->addr = op->doorbell->addr;
		op->doorbell->addr = addr;
	}
}

static int txn_remove_all(struct bf_io_txn *txn, struct bf_change *change)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < txn->count && !ret; i++)
		if (txn->ops[i].kind != OP_ADD)
			ret = op_remove(change, &txn->ops[i]);
	return ret;
}

static int txn_add_all(struct bf_io_txn *txn, struct bf_change *change,
		       struct bf_io_conflict *conflict)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < txn->count && !ret; i++)
		if (txn->ops[i].kind != OP_REMOVE)
			ret = op_add(change, &txn->ops[i], conflict);
	return ret;
}

static void txn_swap_moved(struct bf_io_txn *txn)
{
	size_t i;

	for (i = 0; i < txn->count; i++)
		if (txn->ops[i].kind == OP_MOVE)
			op_swap_addr(&txn->ops[i]);
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

static struct bf_io_party op_party(const struct op *op)
{
	return op->region ? bf_region_party(op->region) :
			    bf_doorbell_party(op->doorbell);
}

static void op_probe(const struct bf_io_txn *txn, const struct op *op)
{
	struct bf_io_party party = op_party(op);

	if (op->kind != OP_REMOVE)
		PROBE_REGISTER(txn->bus, party.kind, party.space, party.addr,
			       party.size);
	if (op->kind == OP_MOVE)
		party.addr = op->addr;
	if (op->kind != OP_ADD)
		PROBE_REMOVE(txn->bus, party.kind, party.space, party.addr,
			     party.size);
}

/* Bus locked, after txn_apply().  True: there are removals to complete. */
static bool txn_release_entries(struct bf_io_txn *txn)
{
	bool removals = false;
	size_t i;

	for (i = 0; i < txn->count; i++) {
		op_probe(txn, &txn->ops[i]);
		if (txn->ops[i].kind == OP_REMOVE)
			removals = true;
		else
			op_removal(&txn->ops[i])->txn = NULL;
	}
	return removals;
}

static void txn_removals_done(struct srcu_head *head)
{
	struct bf_io_txn *txn = container_of(head, struct bf_io_txn, head);
	size_t i;

	for (i = 0; i < txn->count; i++)
		if (txn->ops[i].kind == OP_REMOVE)
			bf_removal_complete(op_removal(&txn->ops[i]));
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
