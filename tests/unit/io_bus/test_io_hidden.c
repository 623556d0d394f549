// SPDX-License-Identifier: MIT
/*
 * A bus that is hidden at first: what is done to it meanwhile is what its
 * accesses see later, and what was refused, for whatever reason, is not.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "io_bus/bus.h"
#include "tests/fault/alloc_fault.h"
#include "belfry/io_stats.h"
#include "belfry/io_txn.h"
#include "bus_fixture.h"

#define MANY	300 /* of each; doorbells are in MMIO, ranges in PIO */
#define STEP	16
#define NOWHERE (MANY * STEP)

static struct bf_io_doorbell *doorbells[MANY];
static struct bf_io_range *ranges[MANY];
static struct device device;
static unsigned int rung;

static int setup(void **state)
{
	int ret = bus_setup(state);

	bf_bus_hide(bus);
	device = (struct device){0};
	rung = 0;
	return ret;
}

static void ring(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
	rung++;
}

static struct bf_io_doorbell_desc doorbell(uint64_t addr)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.len = 4,
		.wildcard = true,
		.ring = ring,
	};
}

static struct bf_io_range_desc range(uint64_t addr)
{
	return (struct bf_io_range_desc){
		.addr = addr,
		.size = 4,
		.space = BF_IO_PIO,
		.ops = &device_ops,
		.opaque = &device,
	};
}

static int add_one_doorbell(unsigned int i)
{
	const struct bf_io_doorbell_desc desc = doorbell(i * STEP);

	return bf_io_add_doorbell(bus, &desc, &doorbells[i], NULL);
}

static int add_one_range(unsigned int i)
{
	const struct bf_io_range_desc desc = range(i * STEP);

	return bf_io_add_range(bus, &desc, &ranges[i], NULL);
}

static void add_all(void)
{
	for (unsigned int i = 0; i < MANY; i++) {
		assert_int_equal(add_one_doorbell(i), 0);
		assert_int_equal(add_one_range(i), 0);
	}
}

static bool rings(uint64_t addr)
{
	const unsigned int before = rung;
	const int ret = write_len(BF_IO_MMIO, addr, 1, 4);

	assert_int_equal(ret, rung == before ? -EOPNOTSUPP : 0);
	return !ret;
}

static bool answers(uint64_t addr)
{
	return write_len(BF_IO_PIO, addr, 1, 4) != -EOPNOTSUPP;
}

static void test_what_was_done_is_seen(void **state)
{
	add_all();
	assert_int_equal(bf_io_publications(bus), 2 * MANY);
	for (unsigned int i = 0; i < MANY; i += 3) {
		assert_int_equal(bf_io_remove_doorbell(bus, doorbells[i]), 0);
		assert_int_equal(bf_io_remove_range(bus, ranges[i]), 0);
	}
	bf_bus_show(bus);
	/* Twice: what the first access found is remembered. */
	for (unsigned int i = 0; i < 2 * MANY; i++) {
		assert_int_equal(rings(i % MANY * STEP), i % MANY % 3 != 0);
		assert_int_equal(answers(i % MANY * STEP), i % MANY % 3 != 0);
	}
}

static void test_changes_go_on_when_it_is_shown(void **state)
{
	add_all();
	bf_bus_show(bus);
	bf_bus_show(bus);
	assert_true(rings(0));
	assert_int_equal(bf_io_remove_doorbell(bus, doorbells[0]), 0);
	assert_int_equal(bf_io_remove_range(bus, ranges[0]), 0);
	assert_false(rings(0));
	assert_false(answers(0));
	assert_int_equal(add_one_doorbell(0), 0);
	assert_true(rings(0));
}

/* The second operation is refused, so the first is undone. */
static void test_a_refused_transaction_leaves_nothing(void **state)
{
	const struct bf_io_doorbell_desc good = doorbell(NOWHERE);
	const struct bf_io_range_desc bad = range(0);
	struct bf_io_conflict conflict;
	struct bf_io_txn *txn;
	uint64_t publications;

	add_all();
	publications = bf_io_publications(bus);
	assert_int_equal(bf_io_txn_begin(bus, &txn), 0);
	assert_int_equal(bf_io_txn_add_doorbell(txn, &good, NULL), 0);
	assert_int_equal(bf_io_txn_add_range(txn, &bad, NULL), 0);
	assert_int_equal(bf_io_txn_commit(txn, &conflict), -EEXIST);
	assert_int_equal(bf_io_publications(bus), publications);
	bf_bus_show(bus);
	assert_false(rings(NOWHERE));
	for (unsigned int i = 0; i < MANY; i++)
		assert_true(rings(i * STEP) && answers(i * STEP));
}

/* Failing at each of its allocations first; returns how often it did. */
static unsigned int add_after_failures(int (*add_one)(unsigned int i),
				       unsigned int i)
{
	int n = 1;

	for (;; n++) {
		alloc_fail_at(n);
		if (!add_one(i))
			break;
	}
	alloc_fail_at(0);
	return (unsigned int)n - 1;
}

static void test_without_memory_it_stays_as_it_was(void **state)
{
	unsigned int failures = 0;

	for (unsigned int i = 0; i < MANY; i++) {
		failures += add_after_failures(add_one_doorbell, i);
		failures += add_after_failures(add_one_range, i);
	}
	assert_true(failures > 20);
	bf_bus_show(bus);
	for (unsigned int i = 0; i < MANY; i++)
		assert_true(rings(i * STEP) && answers(i * STEP));
	assert_false(rings(NOWHERE));
}

static void test_removal_without_memory(void **state)
{
	add_all();
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY; i++) {
		assert_int_equal(bf_io_remove_doorbell(bus, doorbells[i]), 0);
		assert_int_equal(bf_io_remove_range(bus, ranges[i]), 0);
	}
	alloc_fail_all(false);
	bf_bus_show(bus);
	for (unsigned int i = 0; i < MANY; i++)
		assert_false(rings(i * STEP) || answers(i * STEP));
}

static unsigned int added; /* atomic */

static void *add_doorbells(void *unused)
{
	for (unsigned int i = 0; i < MANY; i++) {
		if (add_one_doorbell(i))
			abort();
		__atomic_store_n(&added, i + 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Who learns of a registration finds it, whenever the bus is shown. */
static void test_shown_while_it_changes(void **state)
{
	pthread_t thread;
	unsigned int seen = 0;

	__atomic_store_n(&added, 0, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, add_doorbells, NULL), 0);
	while (__atomic_load_n(&added, __ATOMIC_RELAXED) < MANY / 4)
		;
	bf_bus_show(bus);
	while (seen < MANY) {
		seen = __atomic_load_n(&added, __ATOMIC_ACQUIRE);
		assert_true(rings((seen - 1) * STEP));
		assert_true(rings(0));
	}
	pthread_join(thread, NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, bus_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_done_is_seen),
		TEST(test_changes_go_on_when_it_is_shown),
		TEST(test_a_refused_transaction_leaves_nothing),
		TEST(test_without_memory_it_stays_as_it_was),
		TEST(test_removal_without_memory),
		TEST(test_shown_while_it_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
