/* SPDX-License-Identifier: MIT */
/* The end of what is registered on a bus. */
#ifndef BF_IO_BUS_REMOVAL_H
#define BF_IO_BUS_REMOVAL_H

#include "io_bus/bus.h"

/* Part of a range, a zone or a doorbell. */
struct bf_removal {
	struct srcu_head head;
	struct bf_io_bus *bus;
	const struct bf_io_txn *txn; /* that moves or removes it; NULL */
	void (*free)(struct bf_removal *removal);
	bf_io_done_fn done; /* NULL: nobody asked */
	void *opaque;
};

/* No access is under way that could see it: says so and frees it. */
void bf_removal_complete(struct bf_removal *removal);

/* The same when that is so.  It is unpublished; bus not locked. */
void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque);

#endif
