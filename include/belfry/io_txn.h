/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_txn.h - several changes of a bus at once, all or nothing.
 *
 * A device whose BAR moves has ranges and doorbells that must move together; a
 * device that appears should appear whole.  A transaction gathers such changes
 * and publishes them at one instant: every access sees all of them or none.
 *
 *	bf_io_txn_begin(bus, &txn);
 *	bf_io_txn_move_range(txn, bar, new_base);
 *	bf_io_txn_move_doorbell(txn, kick, new_base + 0x3000);
 *	ret = bf_io_txn_commit(txn, &conflict);
 *
 * The order in which changes are put in does not matter: all removals come
 * before all additions, so two ranges may change places.
 *
 * Stability: 0.x; functions may still change, each change is in CHANGELOG.md.
 * Thread safety: a transaction belongs to one thread at a time; different ones
 * may be built and committed by different threads, on the same bus too.  What
 * is in a transaction must not be changed otherwise before it is committed or
 * aborted.
 * Contexts: as belfry/io_bus.h; a transaction may be built and committed in a
 * handler or consumer of its own bus.
 */
#ifndef BELFRY_IO_TXN_H
#define BELFRY_IO_TXN_H

#include <belfry/io_bus.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct bf_io_txn;

/**
 * bf_io_txn_begin - begin a transaction
 * @bus: the bus; must outlive the transaction
 * @txnp: where it goes; ends with bf_io_txn_commit() or bf_io_txn_abort()
 *
 * Returns 0 or -ENOMEM.  Does not block, and keeps nobody else from anything.
 */
int bf_io_txn_begin(struct bf_io_bus *bus, struct bf_io_txn **txnp);

/**
 * bf_io_txn_add_range - put an addition in
 * bf_io_txn_add_zone
 * bf_io_txn_add_doorbell
 * @txn: the transaction
 * @desc: what, as for bf_io_add_range() and its like; copied in the same way
 * @rangep, @zonep, @doorbellp: where the handle goes, which may be used when
 *		the transaction has been committed; may be NULL
 *
 * Returns what bf_io_add_range() and its like do, but for -EEXIST, which is
 * the commit's to find.  On error the transaction is as it was before this
 * call.
 */
int bf_io_txn_add_range(struct bf_io_txn *txn,
			const struct bf_io_range_desc *desc,
			struct bf_io_range **rangep);
int bf_io_txn_add_zone(struct bf_io_txn *txn,
		       const struct bf_io_zone_desc *desc,
		       struct bf_io_zone **zonep);
int bf_io_txn_add_doorbell(struct bf_io_txn *txn,
			   const struct bf_io_doorbell_desc *desc,
			   struct bf_io_doorbell **doorbellp);

/**
 * bf_io_txn_remove_range - put a removal in
 * bf_io_txn_remove_zone
 * bf_io_txn_remove_doorbell
 * @txn: the transaction
 * @range, @zone, @doorbell: handle of one that is on the bus; gone once the
 *		transaction has been committed
 * @done, @opaque: as for bf_io_remove_range_async(); called after the commit
 *
 * Returns 0, -ENOMEM, or -EBUSY: this transaction removes or moves it already.
 * On error the transaction is as it was before this call.
 */
int bf_io_txn_remove_range(struct bf_io_txn *txn, struct bf_io_range *range,
			   bf_io_done_fn done, void *opaque);
int bf_io_txn_remove_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			  bf_io_done_fn done, void *opaque);
int bf_io_txn_remove_doorbell(struct bf_io_txn *txn,
			      struct bf_io_doorbell *doorbell,
			      bf_io_done_fn done, void *opaque);

/**
 * bf_io_txn_move_range - put a move in
 * bf_io_txn_move_zone
 * bf_io_txn_move_doorbell
 * @txn: the transaction
 * @range, @zone, @doorbell: handle of one that is on the bus; stays
 * @addr: its new address, in the same space
 *
 * Returns 0; -EINVAL: it would wrap; -ENOMEM; -EBUSY as for a removal.  On
 * error the transaction is as it was before this call.
 */
int bf_io_txn_move_range(struct bf_io_txn *txn, struct bf_io_range *range,
			 uint64_t addr);
int bf_io_txn_move_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			uint64_t addr);
int bf_io_txn_move_doorbell(struct bf_io_txn *txn,
			    struct bf_io_doorbell *doorbell, uint64_t addr);

/**
 * bf_io_txn_commit - publish all changes at once, or none
 * @txn: the transaction; ends here, whatever the answer
 * @conflict: filled in on -EEXIST; may be NULL
 *
 *   -EEXIST  an addition or a move collides with what stays on the bus, or
 *            with another one of the transaction
 *   -ENOMEM
 * Returns 0.  On error the bus is as it was, additions are forgotten, and what
 * was to be removed or moved is where it was.  Publishes once.  Waits for no
 * grace period: removals complete as asynchronous ones do, and
 * bf_io_synchronize() waits for them.
 */
int bf_io_txn_commit(struct bf_io_txn *txn, struct bf_io_conflict *conflict);

/**
 * bf_io_txn_abort - forget a transaction
 * @txn: the transaction; NULL does nothing
 *
 * The bus is as it was.
 */
void bf_io_txn_abort(struct bf_io_txn *txn);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_TXN_H */
