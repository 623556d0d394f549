// SPDX-License-Identifier: MIT
/* Transactions of several changes, and moves. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "bus_fixture.h"

static struct device a, b;

static struct bf_io_range *range_at(uint64_t addr, struct device *device)
{
	struct bf_io_range *range = NULL;

	*device = (struct device){.calls = 0};
	assert_int_equal(add_range(addr, 0x100, &device_ops, device, &range),
			 0);
	return range;
}

static struct bf_io_txn *txn_begin(void)
{
	struct bf_io_txn *txn = NULL;

	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	return txn;
}

/* Writes to addr and returns the device that took the write, or NULL. */
static struct device *device_at(uint64_t addr)
{
	a.calls = b.calls = 0;
	if (write_len(BF_IO_MMIO, addr, 1, 4))
		return NULL;
	assert_int_equal(a.calls + b.calls, 1);
	return a.calls ? &a : &b;
}

static void test_move(void **state)
{
	struct bf_io_range *range = range_at(0x1000, &a);
	struct bf_io_conflict conflict;
	char text[256];

	assert_int_equal(bf_io_move_range(bus, range, 0x5000, NULL), 0);
	assert_null(device_at(0x1010));
	assert_ptr_equal(device_at(0x5010), &a);
	assert_int_equal(a.offset, 0x10);
	/* The new place overlaps the old one. */
	assert_int_equal(bf_io_move_range(bus, range, 0x5080, NULL), 0);
	assert_null(device_at(0x5010));
	assert_ptr_equal(device_at(0x5110), &a);
	assert_int_equal(a.offset, 0x90);
	/* The last address that fits. */
	assert_int_equal(bf_io_move_range(bus, range, UINT64_MAX - 0xff, NULL),
			 0);
	assert_ptr_equal(device_at(UINT64_MAX - 3), &a);
	assert_int_equal(bf_io_move_range(bus, range, UINT64_MAX - 0xfe, NULL),
			 -EINVAL);
	range_at(0x1000, &b);
	assert_int_equal(bf_io_move_range(bus, range, 0x10ff, &conflict),
			 -EEXIST);
	bf_io_conflict_format(&conflict, text, sizeof(text));
	assert_string_equal(text, "range device mmio [0x10ff, 0x11fe] collides "
				  "with range device mmio [0x1000, 0x10ff]");
	assert_ptr_equal(device_at(UINT64_MAX - 3), &a);
}

static void test_ranges_swap(void **state)
{
	struct bf_io_range *one = range_at(0x1000, &a);
	struct bf_io_range *two = range_at(0x1100, &b);
	uint64_t before = bf_io_publications(bus);
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(bf_io_txn_move_range(txn, one, 0x1100), 0);
	assert_int_equal(bf_io_txn_move_range(txn, two, 0x1000), 0);
	assert_ptr_equal(device_at(0x1000), &a);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_ptr_equal(device_at(0x1000), &b);
	assert_ptr_equal(device_at(0x1100), &a);
	assert_int_equal(bf_io_publications(bus), before + 1);
}

static void test_bar_moves_with_its_doorbell(void **state)
{
	struct bf_io_range *bar = range_at(0x1000, &a);
	struct bf_io_doorbell *kick;
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(add_doorbell(doorbell_at(0x1080, 4), &kick), 0);
	assert_int_equal(bf_io_txn_move_range(txn, bar, 0x8000), 0);
	assert_int_equal(bf_io_txn_move_doorbell(txn, kick, 0x8080), 0);
	assert_int_equal(bf_io_txn_move_doorbell(txn, kick, 0x9080), -EBUSY);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_null(device_at(0x1080));
	assert_null(device_at(0x1000));
	assert_int_equal(taken(efd), 0);
	assert_ptr_equal(device_at(0x8000), &a);
	assert_int_equal(write_len(BF_IO_MMIO, 0x8080, 1, 4), 0);
	assert_int_equal(taken(efd), 1);
}

/* The first change alone would succeed. */
static void test_failed_transaction_changes_nothing(void **state)
{
	struct bf_io_range *one = range_at(0x1000, &a);
	struct bf_io_range *two = range_at(0x2000, &b);
	const struct bf_io_range_desc fits = {
		.addr = 0x4000,
		.size = 8,
		.ops = &device_ops,
		.opaque = &a,
	};
	uint64_t before = bf_io_publications(bus);
	struct bf_io_conflict conflict = {.wanted.kind = BF_IO_NONE};
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(bf_io_txn_add_range(txn, &fits, NULL), 0);
	assert_int_equal(bf_io_txn_move_range(txn, one, 0x2080), 0);
	assert_int_equal(bf_io_txn_commit(txn, &conflict), -EEXIST);
	assert_int_equal(conflict.wanted.addr, 0x2080);
	assert_int_equal(conflict.existing.addr, 0x2000);
	assert_int_equal(bf_io_publications(bus), before);
	assert_null(device_at(0x4000));
	assert_ptr_equal(device_at(0x1000), &a);
	assert_ptr_equal(device_at(0x2080), &b);
	assert_int_equal(bf_io_remove_range(bus, one), 0);
	assert_int_equal(bf_io_remove_range(bus, two), 0);
}

/* Removals apply before additions, in whatever order the caller queued them. */
static void test_removals_come_first(void **state)
{
	struct bf_io_range *one = range_at(0x1000, &a);
	const struct bf_io_range_desc same = {
		.addr = 0x1000,
		.size = 0x100,
		.ops = &device_ops,
		.opaque = &b,
	};
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(bf_io_txn_add_range(txn, &same, NULL), 0);
	assert_int_equal(bf_io_txn_remove_range(txn, one, NULL, NULL), 0);
	assert_int_equal(bf_io_txn_move_range(txn, one, 0), -EBUSY);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_ptr_equal(device_at(0x1000), &b);
}

static void test_collision_inside_a_transaction(void **state)
{
	const struct bf_io_doorbell_desc any = doorbell_at(0x1000, 0);
	const struct bf_io_doorbell_desc some = match_at(0x1000, 4, 1);
	struct bf_io_doorbell_desc bad = match_at(0x1000, 3, 1);
	struct bf_io_conflict conflict = {.wanted.kind = BF_IO_NONE};
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(bf_io_txn_add_doorbell(txn, &any, NULL), 0);
	assert_int_equal(bf_io_txn_add_doorbell(txn, &bad, NULL), -EINVAL);
	bad = doorbell_at(0x2000, 4);
	bad.eventfd = -1;
	assert_int_equal(bf_io_txn_add_doorbell(txn, &bad, NULL), -EBADF);
	assert_int_equal(bf_io_txn_add_doorbell(txn, &some, NULL), 0);
	assert_int_equal(bf_io_txn_commit(txn, &conflict), -EEXIST);
	assert_int_equal(conflict.wanted.kind, BF_IO_DOORBELL);
	assert_int_equal(conflict.existing.kind, BF_IO_DOORBELL);
	assert_null(device_at(0x1000));
}

static void test_aborted_transaction(void **state)
{
	struct bf_io_range *one = range_at(0x1000, &a);
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(bf_io_txn_move_range(txn, one, 0x3000), 0);
	bf_io_txn_abort(txn);
	bf_io_txn_abort(NULL);
	assert_ptr_equal(device_at(0x1000), &a);
	txn = txn_begin();
	assert_int_equal(bf_io_txn_move_range(txn, one, 0x3000), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_ptr_equal(device_at(0x3000), &a);
}

/* An entry of another bus is refused, and stays as it was. */
static void test_entries_of_another_bus(void **state)
{
	struct bf_io_range *one = range_at(0x1000, &a);
	struct bf_io_doorbell *doorbell;
	struct bf_io_bus *other;
	struct bf_io_txn *txn;

	assert_int_equal(add_doorbell(doorbell_at(0x2000, 4), &doorbell), 0);
	assert_int_equal(bf_io_bus_create("other", &other), 0);
	assert_int_equal(bf_io_txn_begin(other, &txn), 0);
	assert_int_equal(bf_io_txn_remove_range(txn, one, NULL, NULL), -EINVAL);
	assert_int_equal(bf_io_txn_move_range(txn, one, 0x3000), -EINVAL);
	assert_int_equal(bf_io_txn_remove_doorbell(txn, doorbell, NULL, NULL),
			 -EINVAL);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_int_equal(bf_io_move_range(other, one, 0x3000, NULL), -EINVAL);
	bf_io_bus_destroy(other);
	assert_ptr_equal(device_at(0x1000), &a);
	assert_int_equal(bf_io_move_range(bus, one, 0x3000, NULL), 0);
}

/* A handler that commits a transaction on the bus that called it. */
static struct bf_io_range *moved_range;

static int move_away(void *opaque, uint64_t offset,
		     const struct bf_io_access *access)
{
	struct bf_io_txn *txn = txn_begin();

	assert_int_equal(bf_io_txn_move_range(txn, moved_range, 0x7000), 0);
	return bf_io_txn_commit(txn, NULL);
}

static void test_commit_in_a_handler(void **state)
{
	static const struct bf_io_ops ops = {.write = move_away};

	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &moved_range), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x7000, 1, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_move),
		BUS_TEST(test_ranges_swap),
		BUS_TEST(test_bar_moves_with_its_doorbell),
		BUS_TEST(test_failed_transaction_changes_nothing),
		BUS_TEST(test_removals_come_first),
		BUS_TEST(test_collision_inside_a_transaction),
		BUS_TEST(test_aborted_transaction),
		BUS_TEST(test_entries_of_another_bus),
		BUS_TEST(test_commit_in_a_handler),
	};

	return cmocka_run_group_tests_name("io_txn", tests, NULL, NULL);
}
