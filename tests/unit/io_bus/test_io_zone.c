// SPDX-License-Identifier: MIT
/* Zones that overlap: the first registered one with room takes a write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "belfry/io_txn.h"
#include "ring_fixture.h"

static struct bf_io_ring *first, *second;

static int setup(void **state)
{
	int ret = bus_setup(state);

	first = ring_new(3, BF_IO_WAKE_NEVER);
	second = ring_new(3, BF_IO_WAKE_NEVER);
	return ret;
}

static int teardown(void **state)
{
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(first), 0);
	assert_int_equal(bf_io_ring_destroy(second), 0);
	return bus_teardown(state);
}

static struct bf_io_zone *zone_at(struct bf_io_ring *ring, uint64_t addr,
				  uint64_t size)
{
	const struct bf_io_zone_desc desc = {
		.addr = addr,
		.size = size,
		.ring = ring,
	};
	struct bf_io_zone *zone;

	assert_int_equal(bf_io_add_zone(bus, &desc, &zone, NULL), 0);
	return zone;
}

static size_t drain(struct bf_io_ring *ring)
{
	struct bag bag = {.count = 0};

	return bf_io_ring_drain(&ring, 1, put_in_bag, &bag);
}

/* The ring that a write went to; NULL: to none. */
static const struct bf_io_ring *write_at(uint64_t addr, uint32_t len)
{
	int ret = write_len(BF_IO_MMIO, addr, 1, len);
	size_t in_first = drain(first), in_second = drain(second);

	assert_int_equal(in_first + in_second, !ret);
	if (in_first)
		return first;
	return in_second ? second : NULL;
}

static void test_inner_zone_first(void **state)
{
	zone_at(first, 0x1800, 4);
	zone_at(second, 0x1000, 0x1000);
	assert_ptr_equal(write_at(0x1800, 4), first);
	assert_ptr_equal(write_at(0x1802, 2), first);
	/* Not inside the first zone. */
	assert_ptr_equal(write_at(0x1800, 8), second);
	assert_ptr_equal(write_at(0x1802, 4), second);
	assert_ptr_equal(write_at(0x1000, 4), second);
	assert_null(write_at(0x1ffe, 4));
}

static void test_outer_zone_first(void **state)
{
	struct bf_io_zone *outer = zone_at(first, 0x1000, 0x1000);

	zone_at(second, 0x1800, 4);
	assert_ptr_equal(write_at(0x1800, 4), first);
	assert_ptr_equal(write_at(0x1000, 4), first);
	assert_int_equal(bf_io_remove_zone(bus, outer), 0);
	assert_ptr_equal(write_at(0x1800, 4), second);
	assert_null(write_at(0x1000, 4));
}

/* A write that straddles an end of one zone lies inside the other one. */
static void test_zones_that_cross(void **state)
{
	zone_at(first, 0x1000, 0x10);
	zone_at(second, 0x1008, 0x10);
	assert_ptr_equal(write_at(0x1008, 8), first);
	assert_ptr_equal(write_at(0x100c, 8), second);
	assert_ptr_equal(write_at(0x1010, 8), second);
	assert_null(write_at(0x1014, 8));
}

static void test_full_ring(void **state)
{
	unsigned int i;

	zone_at(first, 0x1000, 4);
	zone_at(second, 0x1000, 4);
	for (i = 0; !write_len(BF_IO_MMIO, 0x1000, i, 4); i++)
		;
	assert_int_equal(drain(first), i / 2);
	assert_int_equal(drain(second), i / 2);
	assert_ptr_equal(write_at(0x1000, 4), first);
}

/* A zone that moves is registered anew. */
static void test_moved_zone(void **state)
{
	struct bf_io_zone *moved = zone_at(first, 0x1000, 0x100);
	struct bf_io_txn *txn;

	zone_at(second, 0x1080, 0x100);
	assert_ptr_equal(write_at(0x1080, 4), first);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_move_zone(txn, moved, 0x1001), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	assert_ptr_equal(write_at(0x1080, 4), second);
	assert_ptr_equal(write_at(0x1040, 4), first);
}

/* Of the zones that are left, the first registered one takes each write. */
static void test_equal_zones(void **state)
{
	struct bf_io_zone *zones[64];
	unsigned int i, lowest = 0;

	for (i = 0; i < 64; i++)
		zones[i] = zone_at(i % 3 ? second : first, 0x1000, 8);
	for (i = 0; i < 64; i++) {
		while (!zones[lowest])
			lowest++;
		assert_ptr_equal(write_at(0x1000, 8),
				 lowest % 3 ? second : first);
		assert_int_equal(bf_io_remove_zone(bus, zones[i * 37 % 64]), 0);
		zones[i * 37 % 64] = NULL;
	}
	assert_null(write_at(0x1000, 8));
	zone_at(second, 0x1000, 8);
	assert_ptr_equal(write_at(0x1000, 8), second);
}

#define ZONE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ZONE_TEST(test_inner_zone_first),
		ZONE_TEST(test_outer_zone_first),
		ZONE_TEST(test_zones_that_cross),
		ZONE_TEST(test_full_ring),
		ZONE_TEST(test_moved_zone),
		ZONE_TEST(test_equal_zones),
	};

	return cmocka_run_group_tests_name("io_zone", tests, NULL, NULL);
}
