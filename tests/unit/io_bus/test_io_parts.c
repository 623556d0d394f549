// SPDX-License-Identifier: MIT
/* Accesses of several parts, long ones and strings, on one state of the bus. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus_fixture.h"

/* The calls of handlers, in order. */
static struct {
	uint64_t offset;
	uint32_t len;
} calls[32];
static unsigned int nr_calls;

static void note_call(uint64_t offset, uint32_t len)
{
	calls[nr_calls].offset = offset;
	calls[nr_calls++].len = len;
}

static int note_read(void *opaque, uint64_t offset,
		     const struct bf_io_access *access)
{
	note_call(offset, access->len);
	memset(access->data, (int)offset + 1, access->len);
	return 0;
}

static int note_write(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	note_call(offset, access->len);
	return 0;
}

static const struct bf_io_ops note_ops = {
	.read = note_read,
	.write = note_write,
};

static void add_noting_range(uint64_t addr, uint64_t size)
{
	nr_calls = 0;
	assert_int_equal(add_range(addr, size, &note_ops, NULL, NULL), 0);
}

static int do_long(uint64_t addr, void *data, uint32_t len, bool write,
		   uint32_t *done)
{
	struct bf_io_access access = {
		.addr = addr,
		.data = data,
		.len = len,
		.write = write,
	};

	return bf_io_dispatch_long(bus, &access, done);
}

static int do_string(uint64_t addr, void *data, uint32_t len, bool write,
		     uint32_t count)
{
	struct bf_io_access access = {
		.addr = addr,
		.data = data,
		.len = len,
		.write = write,
	};

	return bf_io_dispatch_string(bus, &access, count);
}

static void test_long_in_parts(void **state)
{
	uint8_t data[21] = {0};
	uint32_t done = 100;

	add_noting_range(0x1000, 0x100);
	assert_int_equal(do_long(0x1003, data, 21, false, &done), 0);
	assert_int_equal(done, 21);
	assert_int_equal(nr_calls, 3);
	assert_int_equal(calls[0].offset, 3);
	assert_int_equal(calls[0].len, 8);
	assert_int_equal(calls[1].offset, 11);
	assert_int_equal(calls[2].offset, 19);
	assert_int_equal(calls[2].len, 5);
	assert_int_equal(data[0], 4);
	assert_int_equal(data[8], 12);
	assert_int_equal(data[20], 20);
}

static void test_long_stops(void **state)
{
	uint8_t data[32];
	uint32_t done = 0;

	memset(data, 0xee, sizeof(data));
	add_noting_range(0x1000, 0x10);
	add_noting_range(0x1018, 8);
	assert_int_equal(do_long(0x1000, data, 32, false, &done), -EOPNOTSUPP);
	assert_int_equal(done, 16);
	assert_int_equal(nr_calls, 2);
	assert_int_equal(data[15], 9);
	assert_int_equal(data[16], 0xee);
	assert_int_equal(do_long(0x1000, data, 0, true, &done), -EINVAL);
	assert_int_equal(done, 0);
}

static void test_long_at_the_end_of_the_space(void **state)
{
	uint8_t data[24] = {0};
	uint32_t done = 0;

	add_noting_range(UINT64_MAX - 15, 16);
	add_noting_range(0, 0x100);
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

	add_noting_range(0x1000, 8);
	assert_int_equal(add_doorbell(match_at(0x1008, 8, 2), NULL), 0);
	add_noting_range(0x1010, 8);
	assert_int_equal(do_long(0x1000, data, 24, true, &done), 0);
	assert_int_equal(done, 24);
	assert_int_equal(nr_calls, 2);
	assert_int_equal(taken(efd), 1);
}

static void test_string(void **state)
{
	uint16_t data[4] = {1, 2, 1, 3};

	assert_int_equal(do_string(0x1000, data, 2, true, 4), -EOPNOTSUPP);
	assert_int_equal(do_string(0x1000, data, 2, true, 0), -EOPNOTSUPP);
	assert_int_equal(do_string(0x1000, data, 9, true, 1), -EINVAL);
	assert_int_equal(add_doorbell(match_at(0x1000, 2, 1), NULL), 0);
	/* No entry takes the second and the fourth: they are dropped. */
	assert_int_equal(do_string(0x1000, data, 2, true, 4), 0);
	assert_int_equal(taken(efd), 2);
	/* The first element decides about the answer. */
	assert_int_equal(do_string(0x1000, data + 1, 2, true, 3), -EOPNOTSUPP);
	assert_int_equal(taken(efd), 0);
	add_noting_range(0x1000, 8);
	assert_int_equal(do_string(0x1000, data, 2, false, 4), 0);
	assert_int_equal(nr_calls, 4);
	assert_int_equal(calls[3].offset, 0);
	assert_int_equal(data[3], 0x0101);
}

/* Serves the first element and fails for the others. */
static int read_first(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	if (nr_calls)
		return -EIO;
	return note_read(opaque, offset, access);
}

static void test_later_reads_are_zero(void **state)
{
	static const struct bf_io_ops ops = {.read = read_first};
	uint8_t data[3] = {9, 9, 9};

	nr_calls = 0;
	assert_int_equal(add_range(0x1000, 8, &ops, NULL, NULL), 0);
	assert_int_equal(do_string(0x1000, data, 1, false, 3), 0);
	assert_memory_equal(data, "\1\0\0", 3);
}

/* Removes its own range at the first part. */
static struct bf_io_range *self;

static int remove_self(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	if (!nr_calls)
		bf_io_remove_range_async(bus, self, NULL, NULL);
	return note_write(opaque, offset, access);
}

static void test_all_parts_see_one_state(void **state)
{
	static const struct bf_io_ops ops = {.write = remove_self};
	uint8_t data[32] = {0};
	uint32_t done = 0;

	nr_calls = 0;
	assert_int_equal(add_range(0x1000, 32, &ops, NULL, &self), 0);
	assert_int_equal(do_long(0x1000, data, 32, true, &done), 0);
	assert_int_equal(nr_calls, 4);
	done = 0;
	assert_int_equal(do_long(0x1000, data, 32, true, &done), -EOPNOTSUPP);
	assert_int_equal(done, 0);
}

/* Removes a doorbell in the middle of an access, and waits for the removal. */
static struct bf_io_doorbell *doorbell;

static int remove_doorbell(void *opaque, uint64_t offset,
			   const struct bf_io_access *access)
{
	if (!nr_calls)
		assert_int_equal(bf_io_remove_doorbell(bus, doorbell), 0);
	return note_write(opaque, offset, access);
}

/* The second part finds the doorbell removed, so the range takes it. */
static void test_doorbell_removed_between_parts(void **state)
{
	static const struct bf_io_ops ops = {.write = remove_doorbell};
	uint8_t data[16] = {0};
	uint32_t done = 0;

	nr_calls = 0;
	assert_int_equal(add_range(0x1000, 16, &ops, NULL, NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x1008, 8), &doorbell), 0);
	assert_int_equal(do_long(0x1000, data, 16, true, &done), 0);
	assert_int_equal(done, 16);
	assert_int_equal(nr_calls, 2);
	assert_int_equal(calls[1].offset, 8);
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
		BUS_TEST(test_all_parts_see_one_state),
		BUS_TEST(test_doorbell_removed_between_parts),
	};

	return cmocka_run_group_tests_name("io_parts", tests, NULL, NULL);
}
