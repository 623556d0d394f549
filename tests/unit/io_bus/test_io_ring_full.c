// SPDX-License-Identifier: MIT
/* A full ring, and a consumer that stores bad indices. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ring_fixture.h"
#include "base/util.h"

static int count_write(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	(*(unsigned int *)opaque)++;
	return 0;
}

static void add_range_behind(unsigned int *count)
{
	static const struct bf_io_ops ops = {.write = count_write};
	const struct bf_io_range_desc desc = {
		.addr = 0x1000,
		.size = 0x100,
		.ops = &ops,
		.opaque = count,
	};

	assert_int_equal(bf_io_add_range(bus, &desc, NULL, NULL), 0);
}

static void test_full_ring_falls_through(void **state)
{
	struct bf_io_ring *ring = ring_new(8, BF_IO_WAKE_NEVER);
	struct bag bag = {.count = 0};
	unsigned int i, handled = 0;
	uint32_t entries;

	bf_io_ring_memory(ring, &entries);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	for (i = 0; i < entries - 1; i++)
		assert_int_equal(write_len(BF_IO_MMIO, 0x1000, i, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, i, 4), -EOPNOTSUPP);
	add_range_behind(&handled);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, i, 4), 0);
	assert_int_equal(handled, 1);
	assert_int_equal(bf_io_ring_drain(&ring, 1, put_in_bag, &bag),
			 entries - 1);
	for (i = 0; i < entries - 1; i++)
		assert_int_equal(bag.entries[i].data[0], i);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(handled, 1);
	end_ring(ring);
}

/*
 * Whatever the consumer stores in first and last, the bus serves every write
 * and stores nothing beyond the ring's mapping.
 */
static void test_hostile_consumer(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_HALF);
	uint32_t entries;
	struct kvm_coalesced_mmio_ring *memory =
		bf_io_ring_memory(ring, &entries);
	const uint32_t garbage[] = {
		UINT32_MAX, 0x80000000,	 entries, entries + 1,
		1U << 20,   entries - 1, 0,	  1,
	};
	struct bag bag = {.count = 0};
	unsigned int i, j, k, handled = 0;

	add_zone(ring, BF_IO_MMIO, 0x1000);
	add_range_behind(&handled);
	for (i = 0; i < ARRAY_SIZE(garbage); i++)
		for (j = 0; j < ARRAY_SIZE(garbage); j++) {
			memory->first = garbage[i];
			memory->last = garbage[j];
			for (k = 0; k < 3; k++)
				assert_int_equal(
					write_len(BF_IO_MMIO, 0x1000, k, 4), 0);
			bf_io_ring_drain(&ring, 1, put_in_bag, &bag);
		}
	end_ring(ring);
}

static void test_index_out_of_range_is_full(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_NEVER);
	unsigned int handled = 0;
	uint32_t entries;
	struct kvm_coalesced_mmio_ring *memory =
		bf_io_ring_memory(ring, &entries);

	add_zone(ring, BF_IO_MMIO, 0x1000);
	add_range_behind(&handled);
	memory->first = entries;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(handled, 1);
	memory->first = UINT32_MAX;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(handled, 2);
	memory->first = memory->last;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(handled, 2);
	end_ring(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_full_ring_falls_through),
		BUS_TEST(test_hostile_consumer),
		BUS_TEST(test_index_out_of_range_is_full),
	};

	return cmocka_run_group_tests_name("io_ring_full", tests, NULL, NULL);
}
