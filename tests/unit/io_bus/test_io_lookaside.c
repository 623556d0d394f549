// SPDX-License-Identifier: MIT
/*
 * What a thread remembers of its accesses is never more than the bus says: each
 * of these makes an access, so that it is remembered, changes the bus, and
 * makes it again.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "bus_fixture.h"
#include "base/util.h"

#define PAGE 0x1000

static struct device one, two;

static int setup(void **state)
{
	one = (struct device){.value = 0};
	two = one;
	return bus_setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bus_teardown)

/* One byte; without an allocation. */
static int poke_on(struct bf_io_bus *which, uint16_t space, uint64_t addr)
{
	uint8_t byte = 1;
	const struct bf_io_access access = {
		.addr = addr,
		.data = &byte,
		.len = sizeof(byte),
		.space = space,
		.write = true,
	};

	return bf_io_access(which, &access);
}

static int poke(uint64_t addr)
{
	return poke_on(bus, BF_IO_MMIO, addr);
}

static struct bf_io_range *add_device(uint64_t addr, uint64_t size,
				      struct device *device)
{
	struct bf_io_range *range;

	assert_int_equal(add_range(addr, size, &device_ops, device, &range), 0);
	return range;
}

/* The device took another access, at that offset. */
static void assert_took(struct device *device, uint64_t offset)
{
	assert_int_equal(device->calls, 1);
	assert_int_equal(device->offset, offset);
	device->calls = 0;
}

static void test_nothing_is_found_on_a_new_bus(void **state)
{
	assert_int_equal(poke(0), -EOPNOTSUPP);
	assert_int_equal(poke(UINT64_MAX), -EOPNOTSUPP);
}

static void test_found_again(void **state)
{
	add_device(PAGE, PAGE, &one);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poke(PAGE + 7), 0);
		assert_took(&one, 7);
		assert_int_equal(poke(2 * PAGE - 1), 0);
		assert_took(&one, PAGE - 1);
	}
}

static void test_another_in_the_place_of_a_removed_one(void **state)
{
	struct bf_io_range *range = add_device(PAGE, PAGE, &one);

	assert_int_equal(poke(PAGE), 0);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	assert_int_equal(poke(PAGE), -EOPNOTSUPP);
	add_device(PAGE - 1, PAGE, &two);
	one.calls = 0;
	assert_int_equal(poke(PAGE), 0);
	assert_took(&two, 1);
	assert_int_equal(one.calls, 0);
}

static void test_a_moved_one(void **state)
{
	struct bf_io_range *range = add_device(PAGE, PAGE, &one);

	assert_int_equal(poke(PAGE + 8), 0);
	one.calls = 0;
	assert_int_equal(bf_io_move_range(bus, range, PAGE + 4, NULL), 0);
	assert_int_equal(poke(PAGE + 8), 0);
	assert_took(&one, 4);
	assert_int_equal(poke(PAGE), -EOPNOTSUPP);
}

static void test_two_that_change_places(void **state)
{
	struct bf_io_range *first = add_device(PAGE, PAGE, &one);
	struct bf_io_range *second = add_device(2 * PAGE, PAGE, &two);
	struct bf_io_txn *txn;

	assert_int_equal(poke(PAGE), 0);
	assert_int_equal(poke(2 * PAGE), 0);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_move_range(txn, first, 2 * PAGE), 0);
	assert_int_equal(bf_io_txn_move_range(txn, second, PAGE), 0);
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
	one.calls = two.calls = 0;
	assert_int_equal(poke(PAGE), 0);
	assert_took(&two, 0);
	assert_int_equal(poke(2 * PAGE), 0);
	assert_took(&one, 0);
}

static void test_other_spaces_and_buses(void **state)
{
	struct bf_io_bus *other;

	assert_int_equal(bf_io_bus_create(&other, "other"), 0);
	add_device(PAGE, PAGE, &one);
	assert_int_equal(poke(PAGE), 0);
	assert_int_equal(poke_on(bus, BF_IO_PIO, PAGE), -EOPNOTSUPP);
	assert_int_equal(poke_on(other, BF_IO_MMIO, PAGE), -EOPNOTSUPP);
	bf_io_bus_destroy(other);
}

/* The next bus may lie where this one was. */
static void test_a_destroyed_bus(void **state)
{
	for (int i = 0; i < 10; i++) {
		add_device(PAGE, PAGE, &one);
		assert_int_equal(poke(PAGE), 0);
		bf_io_bus_destroy(bus);
		assert_int_equal(bf_io_bus_create(&bus, "next"), 0);
		assert_int_equal(poke(PAGE), -EOPNOTSUPP);
	}
}

static void test_doorbells_come_first(void **state)
{
	struct bf_io_doorbell *doorbell;

	add_device(PAGE, PAGE, &one);
	assert_int_equal(poke(PAGE), 0);
	assert_took(&one, 0);
	assert_int_equal(add(doorbell_at(PAGE, 1), &doorbell), 0);
	assert_int_equal(poke(PAGE), 0);
	assert_int_equal(one.calls, 0);
	assert_int_equal(taken(efd), 1);
	assert_int_equal(bf_io_remove_doorbell(bus, doorbell), 0);
	assert_int_equal(poke(PAGE), 0);
	assert_took(&one, 0);
}

/* Each found by its own thread under the same seal. */
static void test_counting_begins_at_once(void **state)
{
	struct bf_io_range *range = add_device(PAGE, PAGE, &one);
	struct bf_io_stats stats;

	for (unsigned int i = 1; i < 4; i++) {
		assert_int_equal(poke(PAGE), 0);
		assert_int_equal(bf_io_count(bus, true), 0);
		assert_int_equal(poke(PAGE), 0);
		assert_int_equal(bf_io_count(bus, false), 0);
		assert_int_equal(poke(PAGE), 0);
		bf_io_range_stats(range, &stats);
		assert_int_equal(stats.writes, i);
	}
}

/* Of 1, 2 and 4 bytes without gaps: none is taken for its neighbour. */
static void test_small_ones_side_by_side(void **state)
{
	static struct device devices[300];
	uint64_t addr = PAGE - 100;

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		add_device(addr, 1 << i % 3, &devices[i]);
		addr += 1 << i % 3;
	}
	for (int round = 0; round < 3; round++) {
		addr = PAGE - 100;
		for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
			assert_int_equal(poke(addr + (1 << i % 3) - 1), 0);
			assert_took(&devices[i], (1 << i % 3) - 1);
			addr += 1 << i % 3;
		}
	}
}

static void test_the_edges(void **state)
{
	add_device(PAGE, 8, &one);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(write_len(BF_IO_MMIO, PAGE, 0, 8), 0);
		assert_int_equal(write_len(BF_IO_MMIO, PAGE - 4, 0, 8),
				 -EOPNOTSUPP);
		assert_int_equal(write_len(BF_IO_MMIO, PAGE + 4, 0, 8),
				 -EOPNOTSUPP);
		assert_int_equal(write_len(BF_IO_MMIO, PAGE + 4, 0, 4), 0);
		assert_int_equal(poke(PAGE - 1), -EOPNOTSUPP);
		assert_int_equal(poke(PAGE + 8), -EOPNOTSUPP);
	}
}

/* All of it but the last byte: nothing wraps. */
static void test_the_whole_space(void **state)
{
	const uint64_t end = UINT64_MAX;

	add_device(0, end, &one);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(poke(0), 0);
		assert_int_equal(poke(end - 1), 0);
		assert_int_equal(poke(end), -EOPNOTSUPP);
		assert_int_equal(write_len(BF_IO_MMIO, end - 8, 0, 8), 0);
		assert_int_equal(write_len(BF_IO_MMIO, end - 7, 0, 8),
				 -EOPNOTSUPP);
		assert_int_equal(write_len(BF_IO_MMIO, end - 1, 0, 8),
				 -EOPNOTSUPP);
	}
}

#define MANY 40000 /* more than are ever remembered */

static void add_many(void)
{
	struct bf_io_txn *txn;

	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	for (uint64_t i = 0; i < MANY; i++) {
		const struct bf_io_range_desc desc = {
			.addr = i * PAGE,
			.size = PAGE / 2,
			.ops = &device_ops,
			.opaque = &one,
		};

		assert_int_equal(bf_io_txn_add_range(txn, &desc, NULL), 0);
	}
	assert_int_equal(bf_io_txn_commit(txn, NULL), 0);
}

static void poke_many(void)
{
	for (uint64_t i = 0; i < MANY; i++) {
		assert_int_equal(poke(i * PAGE + i % 5), 0);
		assert_took(&one, i % 5);
		assert_int_equal(poke(i * PAGE + PAGE / 2), -EOPNOTSUPP);
	}
}

static void *poke_many_for_thread(void *unused)
{
	poke_many();
	return NULL;
}

static void test_more_than_are_remembered(void **state)
{
	add_many();
	for (int round = 0; round < 3; round++)
		poke_many();
}

static void test_a_thread_leaves_nothing_behind(void **state)
{
	long live;

	add_many();
	live = alloc_live();
	run_thread(poke_many_for_thread);
	assert_int_equal(alloc_live(), live);
}

/* What a thread does last, when what it remembers is gone already. */
static pthread_key_t last_words;

static void poke_at_exit(void *unused)
{
	static int round;

	assert_int_equal(poke(PAGE), 0);
	/* Another round of destructors, behind that of the library. */
	if (++round % 2)
		pthread_setspecific(last_words, &last_words);
}

static void *poke_to_the_end(void *unused)
{
	pthread_setspecific(last_words, &last_words);
	assert_int_equal(poke(PAGE), 0);
	return NULL;
}

static void test_accesses_of_a_thread_that_exits(void **state)
{
	long live;

	pthread_key_create(&last_words, poke_at_exit);
	add_device(PAGE, PAGE, &one);
	live = alloc_live();
	run_thread(poke_to_the_end);
	assert_int_equal(one.calls, 3);
	assert_int_equal(alloc_live(), live);
	pthread_key_delete(last_words);
}

static void *poke_without_memory(void *unused)
{
	alloc_fail_all(true);
	poke_many();
	alloc_fail_all(false);
	poke_many();
	return NULL;
}

static void test_without_memory_to_remember(void **state)
{
	add_many();
	run_thread(poke_without_memory);
}

/* The state is the same one, changed in place. */
static void test_a_removal_without_memory(void **state)
{
	struct bf_io_range *range = add_device(PAGE, PAGE, &one);

	add_device(2 * PAGE, PAGE, &two);
	assert_int_equal(poke(PAGE), 0);
	alloc_fail_all(true);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	alloc_fail_all(false);
	assert_int_equal(poke(PAGE), -EOPNOTSUPP);
	assert_int_equal(poke(2 * PAGE), 0);
	assert_took(&two, 0);
}

/* While its table is being replaced by a bigger one, again and again. */
static int poke_deeper(void *opaque, uint64_t offset, const void *data,
		       uint32_t len)
{
	static unsigned int depth;
	uint64_t next = (uint64_t)(depth + 1) * 7919 % MANY;
	int ret = 0;

	if (depth == 2000)
		return 0;
	depth++;
	ret = poke(next * PAGE + depth % 5);
	depth--;
	return ret;
}

static void test_accesses_within_accesses(void **state)
{
	static const struct bf_io_ops ops = {.write = poke_deeper};

	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(
			add_range(i * PAGE, PAGE / 2, &ops, NULL, NULL), 0);
	assert_int_equal(poke(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_found_on_a_new_bus),
		TEST(test_found_again),
		TEST(test_another_in_the_place_of_a_removed_one),
		TEST(test_a_moved_one),
		TEST(test_two_that_change_places),
		TEST(test_other_spaces_and_buses),
		TEST(test_a_destroyed_bus),
		TEST(test_doorbells_come_first),
		TEST(test_counting_begins_at_once),
		TEST(test_small_ones_side_by_side),
		TEST(test_the_edges),
		TEST(test_the_whole_space),
		TEST(test_more_than_are_remembered),
		TEST(test_a_thread_leaves_nothing_behind),
		TEST(test_accesses_of_a_thread_that_exits),
		TEST(test_without_memory_to_remember),
		TEST(test_a_removal_without_memory),
		TEST(test_accesses_within_accesses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
