// SPDX-License-Identifier: MIT
/*
 * Transactions: a list of operations, carried out on one change of the bus,
 * removals first.
 */
#include <errno.h>
#include <stdlib.h>

#include "belfry/io_txn.h"
#include "io_bus/doorbell.h"
#include "io_bus/probe.h"
#include "io_bus/range.h"
#include "io_bus/zone.h"
#include "base/util.h"

enum op_kind {
	OP_ADD, /* what is 0 */
	OP_REMOVE,
	OP_MOVE,
};

struct op {
	enum op_kind kind;
	struct bf_region *region;	 /* of a range or a zone; or NULL */
	struct bf_io_doorbell *doorbell; /* if there is no region */
	uint64_t addr;			 /* a move's; once made: the old one */
};

struct bf_io_txn {
	struct bf_io_bus *bus;
	struct op *ops;
	size_t count;
	size_t room;
	struct srcu_head head;
};

static struct bf_removal *removal_of(const struct op *op)
{
	return op->region ? &op->region->removal : &op->doorbell->removal;
}

static void free_object(const struct op *op)
{
	if (!op->region)
		bf_doorbell_free(op->doorbell);
	else if (op->region->kind == BF_IO_ZONE)
		bf_zone_free(
			container_of(op->region, struct bf_io_zone, region));
	else
		bf_range_free(
			container_of(op->region, struct bf_io_range, region));
}

static void free_txn(struct bf_io_txn *txn)
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

/* Whom this removal would have told, another one must not. */
static void let_stay(struct bf_removal *removal)
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
			free_object(&txn->ops[i]);
		else
			let_stay(removal_of(&txn->ops[i]));
	}
	free_txn(txn);
}

static int reserve(struct bf_io_txn *txn)
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

static void append(struct bf_io_txn *txn, const struct op *op)
{
	txn->ops[txn->count++] = *op;
	removal_of(op)->txn = txn;
}

/* An addition, whose object is freed where there is no room for it. */
static int put_new(struct bf_io_txn *txn, const struct op *op)
{
	int ret = reserve(txn);

	if (ret)
		free_object(op);
	else
		append(txn, op);
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
	ret = put_new(txn, &(struct op){.region = &range->region});
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
	ret = put_new(txn, &(struct op){.region = &zone->region});
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
	ret = put_new(txn, &(struct op){.doorbell = doorbell});
	if (!ret && doorbellp)
		*doorbellp = doorbell;
	return ret;
}

/* A removal or a move. */
static int put(struct bf_io_txn *txn, const struct op *op)
{
	int ret;

	if (removal_of(op)->txn)
		return -EBUSY;
	ret = reserve(txn);
	if (!ret)
		append(txn, op);
	return ret;
}

static int put_removal(struct bf_io_txn *txn, const struct op *op,
		       bf_io_done_fn done, void *opaque)
{
	int ret = put(txn, op);

	if (ret)
		return ret;
	removal_of(op)->done = done;
	removal_of(op)->opaque = opaque;
	return 0;
}

int bf_io_txn_remove_range(struct bf_io_txn *txn, struct bf_io_range *range,
			   bf_io_done_fn done, void *opaque)
{
	const struct op op = {.kind = OP_REMOVE, .region = &range->region};

	return put_removal(txn, &op, done, opaque);
}

int bf_io_txn_remove_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			  bf_io_done_fn done, void *opaque)
{
	const struct op op = {.kind = OP_REMOVE, .region = &zone->region};

	return put_removal(txn, &op, done, opaque);
}

int bf_io_txn_remove_doorbell(struct bf_io_txn *txn,
			      struct bf_io_doorbell *doorbell,
			      bf_io_done_fn done, void *opaque)
{
	const struct op op = {.kind = OP_REMOVE, .doorbell = doorbell};

	return put_removal(txn, &op, done, opaque);
}

static int put_region_move(struct bf_io_txn *txn, struct bf_region *region,
			   uint64_t addr)
{
	const struct op op = {OP_MOVE, .region = region, .addr = addr};
	struct bf_span span;
	int ret = bf_region_span_at(region, addr, &span);

	return ret ? ret : put(txn, &op);
}

int bf_io_txn_move_range(struct bf_io_txn *txn, struct bf_io_range *range,
			 uint64_t addr)
{
	return put_region_move(txn, &range->region, addr);
}

int bf_io_txn_move_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			uint64_t addr)
{
	return put_region_move(txn, &zone->region, addr);
}

int bf_io_txn_move_doorbell(struct bf_io_txn *txn,
			    struct bf_io_doorbell *doorbell, uint64_t addr)
{
	const struct op op = {OP_MOVE, .doorbell = doorbell, .addr = addr};

	if (addr + doorbell->len < addr)
		return -EINVAL;
	return put(txn, &op);
}

static int take_out(struct bf_change *change, const struct op *op)
{
	return op->region ? bf_region_remove(change, op->region) :
			    bf_bell_remove(change, op->doorbell);
}

static int put_in(struct bf_change *change, const struct op *op,
		  struct bf_io_conflict *conflict)
{
	return op->region ? bf_region_add(change, op->region, conflict) :
			    bf_bell_add(change, op->doorbell, conflict);
}

/* Where it is told apart from where it shall be, and back if done again. */
static void swap_addr(struct op *op)
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

static int remove_all(struct bf_io_txn *txn, struct bf_change *change)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < txn->count && !ret; i++)
		if (txn->ops[i].kind != OP_ADD)
			ret = take_out(change, &txn->ops[i]);
	return ret;
}

static int add_all(struct bf_io_txn *txn, struct bf_change *change,
		   struct bf_io_conflict *conflict)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < txn->count && !ret; i++)
		if (txn->ops[i].kind != OP_REMOVE)
			ret = put_in(change, &txn->ops[i], conflict);
	return ret;
}

static void swap_moved(struct bf_io_txn *txn)
{
	size_t i;

	for (i = 0; i < txn->count; i++)
		if (txn->ops[i].kind == OP_MOVE)
			swap_addr(&txn->ops[i]);
}

/* Bus locked: nobody else looks where things are. */
static int carry_out(struct bf_io_txn *txn, struct bf_change *change,
		     struct bf_io_conflict *conflict)
{
	int ret = remove_all(txn, change);

	if (ret)
		return ret;
	swap_moved(txn);
	ret = add_all(txn, change, conflict);
	if (ret)
		swap_moved(txn);
	return ret;
}

static struct bf_io_party party_of(const struct op *op)
{
	return op->region ? bf_region_party(op->region) :
			    bf_bell_party(op->doorbell);
}

static void probe(const struct bf_io_txn *txn, const struct op *op)
{
	struct bf_io_party party = party_of(op);

	if (op->kind != OP_REMOVE)
		PROBE_REGISTER(txn->bus, party.kind, party.space, party.addr,
			       party.size);
	if (op->kind == OP_MOVE)
		party.addr = op->addr;
	if (op->kind != OP_ADD)
		PROBE_REMOVE(txn->bus, party.kind, party.space, party.addr,
			     party.size);
}

/* Bus locked, carried out.  True: removals are to be completed. */
static bool let_go(struct bf_io_txn *txn)
{
	bool removals = false;
	size_t i;

	for (i = 0; i < txn->count; i++) {
		probe(txn, &txn->ops[i]);
		if (txn->ops[i].kind == OP_REMOVE)
			removals = true;
		else
			removal_of(&txn->ops[i])->txn = NULL;
	}
	return removals;
}

static struct bf_io_txn *txn_of(struct srcu_head *head)
{
	return container_of(head, struct bf_io_txn, head);
}

static void complete_removals(struct srcu_head *head)
{
	struct bf_io_txn *txn = txn_of(head);
	size_t i;

	for (i = 0; i < txn->count; i++)
		if (txn->ops[i].kind == OP_REMOVE)
			bf_removal_complete(removal_of(&txn->ops[i]));
	free_txn(txn);
}

int bf_io_txn_commit(struct bf_io_txn *txn, struct bf_io_conflict *conflict)
{
	struct bf_change change;
	bool removals;
	int ret = bf_change_begin(&change, txn->bus);

	if (!ret) {
		ret = carry_out(txn, &change, conflict);
		if (ret)
			bf_change_abort(&change);
	}
	if (ret) {
		bf_io_txn_abort(txn);
		return ret;
	}
	removals = let_go(txn);
	bf_change_commit(&change);
	if (removals)
		bf_io_defer(txn->bus, &txn->head, complete_removals);
	else
		free_txn(txn);
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
