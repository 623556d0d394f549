// SPDX-License-Identifier: MIT
/* Accesses of several parts: long ones, strings; and one bus for all parts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus_fixture.h"

/* What handlers were asked, in order. */
static struct {
	uint64_t offset;
	uint32_t len;
} asked[32];
static unsigned int nr_asked;

static void note(uint64_t offset, uint32_t len)
{
	asked[nr_asked].offset = offset;
	asked[nr_asked++].len = len;
}

static int note_read(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	note(offset, len);
	memset(data, (int)offset + 1, len);
	return 0;
}

static int note_write(void *opaque, uint64_t offset, const void *data,
		      uint32_t len)
{
	note(offset, len);
	return 0;
}

static const struct bf_io_ops note_ops = {
	.read = note_read,
	.write = note_write,
};

static void put_range(uint64_t addr, uint64_t size)
{
	nr_asked = 0;
	assert_int_equal(add_range(addr, size, &note_ops, NULL, NULL), 0);
}

static int do_long(uint64_t addr, void *data, uint32_t len, bool write,
		   uint32_t *done)
{
	const struct bf_io_access access = {
		.addr = addr,
		.data = data,
		.len = len,
		.write = write,
	};

	return bf_io_access_long(bus, &access, done);
}

static int do_string(uint64_t addr, void *data, uint32_t len, bool write,
		     uint32_t count)
{
	const struct bf_io_access access = {
		.addr = addr,
		.data = data,
		.len = len,
		.write = write,
	};

	return bf_io_access_string(bus, &access, count);
}

static void test_long_in_parts(void **state)
{
	uint8_t data[21] = {0};
	uint32_t done = 100;

	put_range(0x1000, 0x100);
	assert_int_equal(do_long(0x1003, data, 21, false, &done), 0);
	assert_int_equal(done, 121);
	assert_int_equal(nr_asked, 3);
	assert_int_equal(asked[0].offset, 3);
	assert_int_equal(asked[0].len, 8);
	assert_int_equal(asked[1].offset, 11);
	assert_int_equal(asked[2].offset, 19);
	assert_int_equal(asked[2].len, 5);
	assert_int_equal(data[0], 4);
	assert_int_equal(data[8], 12);
	assert_int_equal(data[20], 20);
}

static void test_long_stops(void **state)
{
	uint8_t data[32];
	uint32_t done = 0;

	memset(data, 0xee, sizeof(data));
	put_range(0x1000, 0x10);
	put_range(0x1018, 8);
	assert_int_equal(do_long(0x1000, data, 32, false, &done), -EOPNOTSUPP);
	assert_int_equal(done, 16);
	assert_int_equal(nr_asked, 2);
	assert_int_equal(data[15], 9);
	assert_int_equal(data[16], 0xee);
	assert_int_equal(do_long(0x1000, data, 0, true, &done), -EINVAL);
	assert_int_equal(done, 16);
}

static void test_long_at_the_end_of_the_space(void **state)
{
	uint8_t data[24] = {0};
	uint32_t done = 0;

	put_range(UINT64_MAX - 15, 16);
	put_range(0, 0x100);
	assert_int_equal(do_long(UINT64_MAX - 15, data, 24, true, &done),
			 -EOPNOTSUPP);
	assert_int_equal(done, 16);
	done = 0;
	assert_int_equal(do_long(UINT64_MAX - 15, data, 16, true, &done), 0);
	assert_int_equal(done, 16);
}

static void test_long_over_several(void **state)
{
	uint64_t data[3] = {1, 2, 3};
	uint32_t done = 0;

	put_range(0x1000, 8);
	assert_int_equal(add(match_at(0x1008, 8, 2), NULL), 0);
	put_range(0x1010, 8);
	assert_int_equal(do_long(0x1000, data, 24, true, &done), 0);
	assert_int_equal(done, 24);
	assert_int_equal(nr_asked, 2);
	assert_int_equal(taken(efd), 1);
}

static void test_string(void **state)
{
	uint16_t data[4] = {1, 2, 1, 3};

	assert_int_equal(do_string(0x1000, data, 2, true, 4), -EOPNOTSUPP);
	assert_int_equal(do_string(0x1000, data, 2, true, 0), -EOPNOTSUPP);
	assert_int_equal(do_string(0x1000, data, 9, true, 1), -EINVAL);
	assert_int_equal(add(match_at(0x1000, 2, 1), NULL), 0);
	/* The second and the fourth are nobody's, and dropped. */
	assert_int_equal(do_string(0x1000, data, 2, true, 4), 0);
	assert_int_equal(taken(efd), 2);
	/* The first decides. */
	assert_int_equal(do_string(0x1000, data + 1, 2, true, 3), -EOPNOTSUPP);
	assert_int_equal(taken(efd), 0);
	put_range(0x1000, 8);
	assert_int_equal(do_string(0x1000, data, 2, false, 4), 0);
	assert_int_equal(nr_asked, 4);
	assert_int_equal(asked[3].offset, 0);
	assert_int_equal(data[3], 0x0101);
}

/* Answers the first, and declines the others. */
static int read_first(void *opaque, uint64_t offset, void *data, uint32_t len)
{
	if (nr_asked)
		return -EIO;
	return note_read(opaque, offset, data, len);
}

static void test_later_reads_are_zero(void **state)
{
	static const struct bf_io_ops ops = {.read = read_first};
	uint8_t data[3] = {9, 9, 9};

	nr_asked = 0;
	assert_int_equal(add_range(0x1000, 8, &ops, NULL, NULL), 0);
	assert_int_equal(do_string(0x1000, data, 1, false, 3), 0);
	assert_memory_equal(data, "\1\0\0", 3);
}

/* Takes itself off the bus at the first part. */
static struct bf_io_range *self;

static int leave_at_once(void *opaque, uint64_t offset, const void *data,
			 uint32_t len)
{
	if (!nr_asked)
		bf_io_remove_range_async(bus, self, NULL, NULL);
	return note_write(opaque, offset, data, len);
}

static void test_all_parts_see_one_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = leave_at_once};
	uint8_t data[32] = {0};
	uint32_t done = 0;

	nr_asked = 0;
	assert_int_equal(add_range(0x1000, 32, &ops, NULL, &self), 0);
	assert_int_equal(do_long(0x1000, data, 32, true, &done), 0);
	assert_int_equal(nr_asked, 4);
	done = 0;
	assert_int_equal(do_long(0x1000, data, 32, true, &done), -EOPNOTSUPP);
	assert_int_equal(done, 0);
}

/* Waits for a doorbell's end although its own access is not over. */
static struct bf_io_doorbell *bell;

static int silence_bell(void *opaque, uint64_t offset, const void *data,
			uint32_t len)
{
	if (!nr_asked)
		assert_int_equal(bf_io_remove_doorbell(bus, bell), 0);
	return note_write(opaque, offset, data, len);
}

/* What the doorbell does not take any more is for those behind it. */
static void test_doorbell_that_ends_between_parts(void **state)
{
	static const struct bf_io_ops ops = {.write = silence_bell};
	uint8_t data[16] = {0};
	uint32_t done = 0;

	nr_asked = 0;
	assert_int_equal(add_range(0x1000, 16, &ops, NULL, NULL), 0);
	assert_int_equal(add(doorbell_at(0x1008, 8), &bell), 0);
	assert_int_equal(do_long(0x1000, data, 16, true, &done), 0);
	assert_int_equal(done, 16);
	assert_int_equal(nr_asked, 2);
	assert_int_equal(asked[1].offset, 8);
	assert_int_equal(taken(efd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_long_in_parts),
		BUS_TEST(test_long_stops),
		BUS_TEST(test_long_at_the_end_of_the_space),
		BUS_TEST(test_long_over_several),
		BUS_TEST(test_string),
		BUS_TEST(test_later_reads_are_zero),
		BUS_TEST(test_all_parts_see_one_bus),
		BUS_TEST(test_doorbell_that_ends_between_parts),
	};

	return cmocka_run_group_tests_name("io_parts", tests, NULL, NULL);
}
