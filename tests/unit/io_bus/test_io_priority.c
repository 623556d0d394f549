// SPDX-License-Identifier: MIT
/* Ranges that overlap: of those around an access the highest one answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "belfry/io_txn.h"
#include "bus_fixture.h"

static struct bf_io_range *range_at(uint64_t addr, uint64_t size, int priority,
				    struct device *device)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = size,
		.ops = &device_ops,
		.opaque = device,
		.priority = priority,
	};
	struct bf_io_range *range;

	assert_int_equal(bf_io_add_range(bus, &desc, &range, NULL), 0);
	return range;
}

/* Asserts that the device answers a write at the address, with that offset. */
static void assert_answers(uint64_t addr, uint32_t len, struct device *device,
			   uint64_t offset)
{
	unsigned int calls = device->calls;

	assert_int_equal(write_len(BF_IO_MMIO, addr, 1, len), 0);
	assert_int_equal(device->calls, calls + 1);
	assert_int_equal(device->offset, offset);
}

static void test_higher_range_answers(void **state)
{
	struct device low = {0}, high = {0};
	struct bf_io_range *over;

	range_at(0x1000, 0x1000, 0, &low);
	over = range_at(0x1800, 0x100, 1, &high);
	assert_answers(0x1000, 4, &low, 0);
	assert_answers(0x17fc, 4, &low, 0x7fc);
	assert_answers(0x1800, 4, &high, 0);
	assert_answers(0x18fc, 4, &high, 0xfc);
	assert_answers(0x1900, 4, &low, 0x900);
	/* The lower one alone contains the whole access. */
	assert_answers(0x17fe, 4, &low, 0x7fe);
	assert_answers(0x18fe, 4, &low, 0x8fe);
	assert_int_equal(bf_io_remove_range(bus, over), 0);
	assert_answers(0x1800, 4, &low, 0x800);
}

static void test_fallback(void **state)
{
	struct device device = {0}, fallback = {0};
	struct bf_io_range *range = range_at(0x1000, 0x1000, 0, &device);
	struct bf_io_range *found = NULL;

	range_at(0, UINT64_MAX, BF_IO_PRIORITY_MIN, &fallback);
	assert_answers(0x1ffc, 4, &device, 0xffc);
	assert_answers(0x2000, 4, &fallback, 0x2000);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x1000, &found), 0);
	assert_ptr_equal(found, range);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x3000, &found), 0);
	assert_ptr_equal(bf_io_range_opaque(found), &fallback);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, UINT64_MAX, &found),
			 -ENOENT);
}

/* A range that declines is as if it were not there. */
static void test_declined(void **state)
{
	struct device top = {.answer = -EOPNOTSUPP}, middle = {.answer = 1};
	struct device bottom = {0};

	range_at(0x1000, 8, 2, &top);
	range_at(0x1000, 8, 0, &bottom);
	range_at(0x1000, 8, 1, &middle);
	assert_answers(0x1004, 4, &bottom, 4);
	assert_int_equal(top.calls + middle.calls, 2);
	bottom.answer = -EOPNOTSUPP;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	middle.answer = -EIO;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EIO);
	assert_int_equal(bottom.calls, 2);
}

static void test_equal_priorities_collide(void **state)
{
	const struct bf_io_range_desc desc = {
		.addr = 0x10f8,
		.size = 0x100,
		.name = "second",
		.ops = &device_ops,
		.priority = -3,
	};
	struct bf_io_conflict conflict;

	range_at(0x1000, 0x100, -3, NULL);
	range_at(0x1000, 0x1000, 3, NULL);
	assert_int_equal(bf_io_add_range(bus, &desc, NULL, &conflict), -EEXIST);
	assert_string_equal(conflict.wanted.name, "second");
	assert_int_equal(conflict.existing.addr, 0x1000);
	assert_int_equal(conflict.existing.size, 0x100);
}

static int add_with_priority(int64_t priority)
{
	const struct bf_io_range_desc desc = {
		.size = 1,
		.ops = &device_ops,
		.priority = priority,
	};

	return bf_io_add_range(bus, &desc, NULL, NULL);
}

static void test_priorities(void **state)
{
	int64_t priority;

	assert_int_equal(add_with_priority(BF_IO_PRIORITY_MIN - 1), -EINVAL);
	assert_int_equal(add_with_priority(BF_IO_PRIORITY_MAX + 1), -EINVAL);
	assert_int_equal(add_with_priority(INT64_MIN), -EINVAL);
	assert_int_equal(add_with_priority(1LL << 32), -EINVAL);
	for (priority = BF_IO_PRIORITY_MIN; priority <= BF_IO_PRIORITY_MAX;
	     priority++)
		assert_int_equal(add_with_priority(priority), 0);
	assert_int_equal(add_with_priority(0), -EEXIST);
}

/* BARs that overlap while a guest programs them, in one transaction and moves.
 */
static void test_moved_over_another_one(void **state)
{
	struct device below = {0}, above = {0};
	struct bf_io_range *low = range_at(0x1000, 0x100, 0, &below);
	struct bf_io_range *high = range_at(0x2000, 0x100, 1, &above);
	struct bf_io_txn *txn;

	assert_int_equal(bf_io_move_range(bus, high, 0x1080, NULL), 0);
	assert_answers(0x1080, 4, &above, 0);
	assert_answers(0x1040, 4, &below, 0x40);
	assert_int_equal(bf_io_move_range(bus, low, 0x1100, NULL), 0);
	assert_answers(0x117c, 4, &above, 0xfc);
	assert_answers(0x1180, 4, &below, 0x80);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_remove_range(txn, high, NULL, NULL), 0);
	assert_int_equal(bf_io_txn_move_range(txn, low, 0x1000), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_answers(0x1080, 4, &below, 0x80);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1100, 1, 4), -EOPNOTSUPP);
}

/* A commit that fails leaves the layers as they were, too. */
static void test_swapped(void **state)
{
	struct device below = {0}, above = {0};
	struct bf_io_range *low = range_at(0x1000, 0x100, 0, &below);
	struct bf_io_range *high = range_at(0x1080, 8, 1, &above);
	struct bf_io_txn *txn;

	range_at(0x3000, 0x100, 1, NULL);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_remove_range(txn, low, NULL, NULL), 0);
	assert_int_equal(bf_io_txn_move_range(txn, high, 0x3000), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), -EEXIST);
	assert_answers(0x1080, 4, &above, 0);
	assert_answers(0x1000, 4, &below, 0);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_move_range(txn, low, 0x1080), 0);
	assert_int_equal(bf_io_txn_move_range(txn, high, 0x1000), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_answers(0x1004, 4, &above, 4);
	assert_answers(0x1080, 4, &below, 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1008, 1, 4), -EOPNOTSUPP);
}

/* A part that lies in both ranges is the lower one's. */
static void test_parts_over_a_border(void **state)
{
	struct device below = {0}, above = {0};
	uint8_t data[40] = {0};
	struct bf_io_access access = {
		.addr = 0x1000,
		.data = data,
		.len = sizeof(data),
		.write = true,
	};
	uint32_t done;

	range_at(0x1000, 0x28, 0, &below);
	range_at(0x100c, 0x18, 1, &above);
	assert_int_equal(bf_io_dispatch_long(bus, &access, &done), 0);
	assert_int_equal(done, sizeof(data));
	assert_int_equal(below.calls, 3);
	assert_int_equal(below.offset, 0x20);
	assert_int_equal(above.calls, 2);
	assert_int_equal(above.offset, 0xc);
	access.len = 4;
	access.addr = 0x100c;
	assert_int_equal(bf_io_dispatch_string(bus, &access, 3), 0);
	assert_int_equal(above.calls, 5);
	access.addr = 0x100a;
	assert_int_equal(bf_io_dispatch_string(bus, &access, 3), 0);
	assert_int_equal(below.calls, 6);
	assert_int_equal(below.offset, 0xa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_higher_range_answers),
		BUS_TEST(test_fallback),
		BUS_TEST(test_declined),
		BUS_TEST(test_equal_priorities_collide),
		BUS_TEST(test_priorities),
		BUS_TEST(test_moved_over_another_one),
		BUS_TEST(test_swapped),
		BUS_TEST(test_parts_over_a_border),
	};

	return cmocka_run_group_tests_name("io_priority", tests, NULL, NULL);
}
