// SPDX-License-Identifier: MIT
/* Device ranges: the arguments of handlers, and collisions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bus_fixture.h"

static void test_range_gets_offset_and_data(void **state)
{
	struct device device = {0};
	uint32_t value;

	assert_int_equal(add_range(0x1000, 0x100, &device_ops, &device, NULL),
			 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1010, 0x11223344, 4), 0);
	assert_int_equal(device.offset, 0x10);
	assert_int_equal(device.value, 0x11223344);
	assert_int_equal(device.len, 4);
	assert_int_equal(read_len(BF_IO_MMIO, 0x10fc, &value, 4), 0);
	assert_int_equal(value, 0x11223344);
	assert_int_equal(device.offset, 0xfc);
	assert_int_equal(device.calls, 2);
	/* A range takes an access only if it contains the whole access. */
	assert_int_equal(read_len(BF_IO_MMIO, 0x10fd, &value, 4), -EOPNOTSUPP);
	assert_int_equal(read_len(BF_IO_MMIO, 0xfff, &value, 4), -EOPNOTSUPP);
	assert_int_equal(read_len(BF_IO_MMIO, 0x1100, &value, 1), -EOPNOTSUPP);
	assert_int_equal(read_len(BF_IO_PIO, 0x1000, &value, 1), -EOPNOTSUPP);
	assert_int_equal(device.calls, 2);
}

static void test_range_at_the_end_of_the_space(void **state)
{
	struct device device = {.value = 42};
	uint8_t value;
	uint32_t wide;

	assert_int_equal(
		add_range(UINT64_MAX - 7, 8, &device_ops, &device, NULL), 0);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX, &value, 1), 0);
	assert_int_equal(value, 42);
	assert_int_equal(device.offset, 7);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX - 3, &wide, 4), 0);
	assert_int_equal(read_len(BF_IO_MMIO, UINT64_MAX - 2, &wide, 4),
			 -EOPNOTSUPP);
	assert_int_equal(add_range(UINT64_MAX, 2, &device_ops, &device, NULL),
			 -EINVAL);
}

static void test_handler_that_declines(void **state)
{
	static const struct bf_io_ops none;
	struct device device = {.answer = -EOPNOTSUPP};

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	device.answer = 1;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	device.answer = -EIO;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EIO);
	assert_int_equal(add_range(0x2000, 8, &none, NULL, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(add_range(0x3000, 0, &device_ops, NULL, NULL),
			 -EINVAL);
	assert_int_equal(add_range(0x3000, 8, NULL, NULL, NULL), -EINVAL);
}

static void test_overlap_names_both(void **state)
{
	struct bf_io_conflict conflict;
	struct bf_io_range *handle;
	struct bf_io_range_desc desc = {
		.addr = 0x10f8,
		.size = 0x108,
		.name = "second",
		.ops = &device_ops,
	};
	char text[256];

	assert_int_equal(add_range(0x1000, 0x100, &device_ops, NULL, &handle),
			 0);
	assert_int_equal(bf_io_add_range(bus, &desc, NULL, &conflict), -EEXIST);
	bf_io_conflict_format(&conflict, text, sizeof(text));
	assert_string_equal(text, "range second mmio [0x10f8, 0x11ff] collides "
				  "with range device mmio [0x1000, 0x10ff]");
	/* Ranges around, inside and across an end collide; adjacent ones do
	 * not. */
	assert_int_equal(add_range(0, UINT64_MAX, &device_ops, NULL, NULL),
			 -EEXIST);
	assert_int_equal(add_range(0x1080, 1, &device_ops, NULL, NULL),
			 -EEXIST);
	assert_int_equal(add_range(0xfff, 2, &device_ops, NULL, NULL), -EEXIST);
	assert_int_equal(add_range(0x1100, 1, &device_ops, NULL, NULL), 0);
	assert_int_equal(add_range(0xfff, 1, &device_ops, NULL, NULL), 0);
	assert_int_equal(bf_io_remove_range(bus, handle), 0);
	assert_int_equal(add_range(0x1080, 1, &device_ops, NULL, NULL), 0);
}

/* Random additions and removals in a small space, against an array. */
static void test_many_ranges(void **state)
{
	static struct device devices[256];
	struct bf_io_range *handles[256] = {NULL};
	unsigned int i, n, addr;
	uint8_t byte;

	srand(1);
	for (n = 0; n < 2000; n++) {
		i = (unsigned int)rand() % 256;
		if (handles[i]) {
			assert_int_equal(bf_io_remove_range(bus, handles[i]),
					 0);
			handles[i] = NULL;
		} else {
			assert_int_equal(add_range(i * 4, 3, &device_ops,
						   &devices[i], &handles[i]),
					 0);
		}
		addr = (unsigned int)rand() % 1024;
		devices[addr / 4].calls = 0;
		assert_int_equal(
			read_len(BF_IO_MMIO, addr, &byte, 1),
			handles[addr / 4] && addr % 4 < 3 ? 0 : -EOPNOTSUPP);
	}
}

static int find_range(uint16_t space)
{
	struct bf_io_range *range;

	return bf_io_find_range(bus, space, 0x1000, &range);
}

/* A space is there from its first entry on; those below it keep theirs. */
static void test_spaces_without_entries(void **state)
{
	const uint16_t last = BF_IO_SPACES - 1;
	struct bf_io_doorbell_desc doorbell = doorbell_at(0x1000, 4);
	struct device device = {0};
	struct bf_io_range_desc desc = {
		.addr = 0x1000,
		.size = 8,
		.space = last,
		.ops = &device_ops,
		.opaque = &device,
	};
	struct bf_io_doorbell *found;

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, NULL), 0);
	doorbell.space = 1;
	assert_int_equal(bf_io_find_doorbell(bus, &doorbell, &found), -ENOENT);
	for (uint16_t space = 1; space < BF_IO_SPACES; space++) {
		assert_int_equal(find_range(space), -ENOENT);
		assert_int_equal(write_len(space, 0x1000, 1, 4), -EOPNOTSUPP);
	}
	assert_int_equal(bf_io_add_range(bus, &desc, NULL, NULL), 0);
	assert_int_equal(find_range(last), 0);
	assert_int_equal(find_range(last - 1), -ENOENT);
	assert_int_equal(write_len(last, 0x1000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(write_len(last - 1, 0x1000, 1, 4), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_range_gets_offset_and_data),
		BUS_TEST(test_range_at_the_end_of_the_space),
		BUS_TEST(test_handler_that_declines),
		BUS_TEST(test_overlap_names_both),
		BUS_TEST(test_many_ranges),
		BUS_TEST(test_spaces_without_entries),
	};

	return cmocka_run_group_tests_name("io_range", tests, NULL, NULL);
}
