// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>

#include <belfry/io_txn.h>

/*
 * A BAR that moves with its doorbell:
 */
static int move_bar(struct bf_io_bus *bus, struct bf_io_range *bar,
		    struct bf_io_doorbell *kick, uint64_t base)
{
	struct bf_io_conflict conflict;
	struct bf_io_txn *txn;
	char text[256];
	int err = bf_io_txn_begin(bus, &txn);

	if (err)
		return err;
	err = bf_io_txn_move_range(txn, bar, base);
	if (!err)
		err = bf_io_txn_move_doorbell(txn, kick, base + 0x3000);
	if (err) {
		bf_io_txn_abort(txn);
		return err;
	}
	err = bf_io_txn_commit(txn, &conflict);
	if (err == -EEXIST) {
		bf_io_conflict_format(&conflict, text, sizeof(text));
		fprintf(stderr, "%s\n", text);
	}
	return err;
}
