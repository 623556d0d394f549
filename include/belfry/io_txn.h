/* SPDX-License-Identifier: MIT */
/**
 * belfry/io_txn.h - several changes of a bus at once, all or nothing
 *
 * When a BAR moves, the ranges and doorbells of the device must move together;
 * when a device is plugged, it should appear whole.  A transaction collects
 * such changes and publishes them at one instant: an access sees all or none.
 *
 *	bf_io_txn_begin(bus, &txn);
 *	bf_io_txn_move_range(txn, bar, new_base);
 *	bf_io_txn_move_doorbell(txn, kick, new_base + 0x3000);
 *	ret = bf_io_txn_commit(txn, &conflict);
 *
 * The order of the changes in a transaction does not matter: the commit makes
 * all removals before all additions, so two ranges may swap their addresses.
 * Only zones that overlap each other are registered in the order of the calls.
 *
 * A function that fails leaves the transaction as it was, except for the
 * commit.  Unlike the removal of one entry, a transaction with removals may
 * fail for want of memory.
 *
 * Thread safety: all that belfry/io_bus.h says of functions holds here.  One
 * thread at a time uses a transaction.  Different threads may build and commit
 * different transactions, of the same bus too.  An entry that is in a
 * transaction must not be removed or moved by other means until the transaction
 * ends.
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
 * @bus: the bus, which must outlive the transaction
 * @txnp: set to the transaction; it ends with bf_io_txn_commit() or
 *        bf_io_txn_abort()
 *
 * Return: 0 or -ENOMEM.
 */
int bf_io_txn_begin(struct bf_io_bus *bus, struct bf_io_txn **txnp);

/**
 * bf_io_txn_add_range - record the addition of a range
 * bf_io_txn_add_zone - record the addition of a zone
 * bf_io_txn_add_doorbell - record the addition of a doorbell
 * @txn: the transaction
 * @desc: the description, as for bf_io_add_range() and its like
 * @rangep, @zonep, @doorbellp: set to the handle, which is valid once the
 *		transaction is committed; may be NULL
 *
 * Return: what bf_io_add_range() and its like return, except for -EEXIST, which
 * the commit returns.
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
 * bf_io_txn_remove_range - record the removal of a range
 * bf_io_txn_remove_zone - record the removal of a zone
 * bf_io_txn_remove_doorbell - record the removal of a doorbell
 * @txn: the transaction
 * @range, @zone, @doorbell: the handle of an entry of the bus; not valid any
 *		more once the transaction is committed
 * @done, @opaque: as for bf_io_remove_range_async(); called after the commit
 *
 * Return: 0; -EINVAL: the entry is of another bus; -EBUSY: a transaction
 * removes or moves it already; -ENOMEM.
 */
int bf_io_txn_remove_range(struct bf_io_txn *txn, struct bf_io_range *range,
			   bf_io_done_fn done, void *opaque);
int bf_io_txn_remove_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			  bf_io_done_fn done, void *opaque);
int bf_io_txn_remove_doorbell(struct bf_io_txn *txn,
			      struct bf_io_doorbell *doorbell,
			      bf_io_done_fn done, void *opaque);

/**
 * bf_io_txn_move_range - record the move of a range
 * bf_io_txn_move_zone - record the move of a zone
 * bf_io_txn_move_doorbell - record the move of a doorbell
 * @txn: the transaction
 * @range, @zone, @doorbell: the handle of an entry of the bus; stays valid
 * @addr: the new address, in the same space
 *
 * Return: 0; -EINVAL: the entry would wrap, or is of another bus; -EBUSY,
 * -ENOMEM as for a removal.
 */
int bf_io_txn_move_range(struct bf_io_txn *txn, struct bf_io_range *range,
			 uint64_t addr);
int bf_io_txn_move_zone(struct bf_io_txn *txn, struct bf_io_zone *zone,
			uint64_t addr);
int bf_io_txn_move_doorbell(struct bf_io_txn *txn,
			    struct bf_io_doorbell *doorbell, uint64_t addr);

/**
 * bf_io_txn_commit - publish all changes of a transaction, or none
 * @txn: the transaction, which ends here, on success and on error
 * @conflict: set on -EEXIST; may be NULL
 *
 * Publishes one state of the bus.  Removals complete as asynchronous ones do,
 * and bf_io_synchronize() waits for them.
 *
 * Return: 0; -EEXIST: an addition or a move collides with an entry that stays
 * on the bus, or with another one of the transaction; -ENOMEM.  On error
 * entries to add are freed, and entries to remove or to move are where they
 * were.
 */
int bf_io_txn_commit(struct bf_io_txn *txn, struct bf_io_conflict *conflict);

/**
 * bf_io_txn_abort - end a transaction without changing the bus
 * @txn: the transaction; NULL does nothing
 */
void bf_io_txn_abort(struct bf_io_txn *txn);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* BELFRY_IO_TXN_H */
