// SPDX-License-Identifier: MIT
/*
 * Removals without memory, which change the published trees in place, beside
 * writes that look there and remember what they found.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/io_bus.h"
#include "io_bus/trie.h"

#define WRITERS 2
#define ROUNDS	100
#define ENTRIES 80 /* of either kind; half of the bells share an address */
#define PAGE	0x1000
#define BELLS	0xf0000000

static struct bf_io_bus *bus;
static bool over;
static unsigned int late, taken;

/* Nobody may come any more: the removal has returned. */
static bool range_gone[ENTRIES], bell_gone[ENTRIES];
static struct bf_io_range *ranges[ENTRIES];
static struct bf_io_doorbell *bells[ENTRIES];

/* Some share an address, others are alone at theirs. */
static uint64_t bell_addr(uint32_t i)
{
	return i % 2 ? BELLS : BELLS + 8 * i;
}

/*
 * What rings them.  Their hashes agree in so many bits that those which share
 * an address fill a leaf of its trie, and split it.
 */
static uint32_t values[ENTRIES];

static void choose_values(void)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < ENTRIES; i++) {
		while (bf_trie_hash(++value) % (1 << 2 * BF_TRIE_BITS))
			;
		values[i] = value;
	}
	assert_true(ENTRIES / 2 > BF_TRIE_LEAVES);
}

static void set(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static void take(const bool *gone)
{
	if (__atomic_load_n(gone, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&late, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&taken, 1, __ATOMIC_RELAXED);
}

static int write_range(void *opaque, uint64_t offset, const void *data,
		       uint32_t len)
{
	take(opaque);
	return 0;
}

static void ring_bell(void *opaque, uint64_t addr, uint32_t len, uint64_t value)
{
	take(opaque);
}

static void write_to(uint64_t addr, uint32_t value)
{
	const struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = sizeof(value),
		.space = BF_IO_MMIO,
		.write = true,
	};

	bf_io_access(bus, &access);
}

static void *write_on(void *unused)
{
	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < ENTRIES; i++) {
			write_to((uint64_t)i * PAGE, i);
			write_to(bell_addr(i), values[i]);
		}
	}
	return NULL;
}

static void add(unsigned int i)
{
	static const struct bf_io_ops ops = {.write = write_range};
	const struct bf_io_range_desc range = {
		.addr = (uint64_t)i * PAGE,
		.size = PAGE,
		.space = BF_IO_MMIO,
		.ops = &ops,
		.opaque = &range_gone[i],
	};
	const struct bf_io_doorbell_desc bell = {
		.addr = bell_addr(i),
		.len = sizeof(uint32_t),
		.space = BF_IO_MMIO,
		.datamatch = values[i],
		.ring = ring_bell,
		.opaque = &bell_gone[i],
	};

	set(&range_gone[i], false);
	set(&bell_gone[i], false);
	assert_int_equal(bf_io_add_range(bus, &range, &ranges[i], NULL), 0);
	assert_int_equal(bf_io_add_doorbell(bus, &bell, &bells[i], NULL), 0);
}

static void clear(unsigned int i)
{
	assert_int_equal(bf_io_remove_range(bus, ranges[i]), 0);
	set(&range_gone[i], true);
	assert_int_equal(bf_io_remove_doorbell(bus, bells[i]), 0);
	set(&bell_gone[i], true);
}

/* So that each round has been written to. */
static void wait_for_writes(void)
{
	unsigned int before = __atomic_load_n(&taken, __ATOMIC_RELAXED);

	while (__atomic_load_n(&taken, __ATOMIC_RELAXED) - before < ENTRIES)
		sched_yield();
}

static void change_in_place(void)
{
	for (unsigned int i = 0; i < ENTRIES; i++)
		add(i);
	wait_for_writes();
	alloc_fail_all(true);
	for (unsigned int i = 0; i < ENTRIES; i++)
		clear(i * 7 % ENTRIES);
	alloc_fail_all(false);
}

static void test_none_comes_late(void **state)
{
	pthread_t writers[WRITERS];

	choose_values();
	assert_int_equal(bf_io_bus_create(&bus, "clear"), 0);
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(
			pthread_create(&writers[i], NULL, write_on, NULL), 0);
	for (unsigned int round = 0; round < ROUNDS; round++)
		change_in_place();
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	bf_io_bus_destroy(bus);
	assert_int_equal(late, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_comes_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
