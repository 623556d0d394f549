// SPDX-License-Identifier: MIT
/*
 * A removal that finds no memory clears its entry in the published tree.  No
 * write that searches the tree at that time may call the entry after the
 * removal has returned.
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

#define WRITERS	  2
#define ROUNDS	  100
#define ENTRIES	  80 /* ranges, and as many doorbells */
#define PAGE	  0x1000
#define DOORBELLS 0xf0000000

static struct bf_io_bus *bus;
static bool stop;
static unsigned int nr_late_calls, nr_calls;

/* Set when the removal has returned: a later call is an error. */
static bool range_gone[ENTRIES], doorbell_gone[ENTRIES];
static struct bf_io_range *ranges[ENTRIES];
static struct bf_io_doorbell *doorbells[ENTRIES];

/* Half of the doorbells share an address; each other one has its own. */
static uint64_t doorbell_addr(uint32_t i)
{
	return i % 2 ? DOORBELLS : DOORBELLS + 8 * i;
}

static void set(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_RELEASE);
}

static void note_call(const bool *gone)
{
	if (__atomic_load_n(gone, __ATOMIC_ACQUIRE))
		__atomic_fetch_add(&nr_late_calls, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&nr_calls, 1, __ATOMIC_RELAXED);
}

static int write_range(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	note_call(opaque);
	return 0;
}

static void signal_doorbell(void *opaque, uint64_t value,
			    const struct bf_io_access *access)
{
	note_call(opaque);
}

static void write_to(uint64_t addr, uint32_t value)
{
	struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = sizeof(value),
		.space = BF_IO_MMIO,
		.write = true,
	};

	bf_io_dispatch(bus, &access);
}

static void *write_until_stopped(void *unused)
{
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (uint32_t i = 0; i < ENTRIES; i++) {
			write_to((uint64_t)i * PAGE, i);
			write_to(doorbell_addr(i), i);
		}
	}
	return NULL;
}

static void add_entries(unsigned int i)
{
	static const struct bf_io_ops ops = {.write = write_range};
	const struct bf_io_range_desc range = {
		.addr = (uint64_t)i * PAGE,
		.size = PAGE,
		.space = BF_IO_MMIO,
		.ops = &ops,
		.opaque = &range_gone[i],
	};
	const struct bf_io_doorbell_desc doorbell = {
		.addr = doorbell_addr(i),
		.len = sizeof(uint32_t),
		.space = BF_IO_MMIO,
		.datamatch = i,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = signal_doorbell,
		.opaque = &doorbell_gone[i],
	};

	set(&range_gone[i], false);
	set(&doorbell_gone[i], false);
	assert_int_equal(bf_io_add_range(bus, &range, &ranges[i], NULL), 0);
	assert_int_equal(
		bf_io_add_doorbell(bus, &doorbell, &doorbells[i], NULL), 0);
}

static void remove_entries(unsigned int i)
{
	assert_int_equal(bf_io_remove_range(bus, ranges[i]), 0);
	set(&range_gone[i], true);
	assert_int_equal(bf_io_remove_doorbell(bus, doorbells[i]), 0);
	set(&doorbell_gone[i], true);
}

/* Returns when the writers have called entries of this round. */
static void wait_for_writes(void)
{
	unsigned int before = __atomic_load_n(&nr_calls, __ATOMIC_RELAXED);

	while (__atomic_load_n(&nr_calls, __ATOMIC_RELAXED) - before < ENTRIES)
		sched_yield();
}

static void run_round(void)
{
	for (unsigned int i = 0; i < ENTRIES; i++)
		add_entries(i);
	wait_for_writes();
	alloc_fail_all(true);
	for (unsigned int i = 0; i < ENTRIES; i++)
		remove_entries(i * 7 % ENTRIES);
	alloc_fail_all(false);
}

static void test_no_call_after_removal(void **state)
{
	pthread_t writers[WRITERS];

	assert_int_equal(bf_io_bus_create("clear", &bus), 0);
	for (unsigned int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL,
						write_until_stopped, NULL),
				 0);
	for (unsigned int round = 0; round < ROUNDS; round++)
		run_round();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	bf_io_bus_destroy(bus);
	assert_int_equal(nr_late_calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_call_after_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
