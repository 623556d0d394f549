// SPDX-License-Identifier: MIT
/* Drains that write to the ring, that change the bus, and beside writers. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "ring_fixture.h"

/* A consumer that writes an entry for each one that it takes out. */
static void write_again(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	unsigned int *count = opaque;

	++*count;
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), 0);
}

static void test_drain_ends(void **state)
{
	struct bf_io_ring *ring = ring_new(8, BF_IO_WAKE_NONEMPTY);
	unsigned int count = 0;
	size_t took;
	uint32_t entries;

	bf_io_ring_memory(ring, &entries);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), 0);
	taken(efd);
	took = bf_io_ring_drain(&ring, 1, write_again, &count);
	assert_int_equal(took, count);
	assert_in_range(took, 1, 2 * entries);
	/* The drain left an entry, so it signals the eventfd. */
	assert_int_not_equal(taken(efd), 0);
	end_ring(ring);
}

static struct bf_io_zone *drained_zone;

static void remove_zone(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	if (drained_zone)
		assert_int_equal(bf_io_remove_zone(bus, drained_zone), 0);
	drained_zone = NULL;
}

static void test_drain_changes_the_bus(void **state)
{
	struct bf_io_ring *ring = ring_new(8, BF_IO_WAKE_NEVER);

	drained_zone = add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(bf_io_ring_drain(&ring, 1, remove_zone, NULL), 2);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/* Several writers, one consumer, two rings; a range takes what overflows. */
#define WRITERS	    4
#define EACH	    20000
#define VALUE(w, i) ((uint64_t)(w) << 32 | (i))

static unsigned char seen[WRITERS][EACH];
static uint32_t last_drained[WRITERS];
static int out_of_order, ended;

static void see_value(uint64_t value)
{
	__atomic_fetch_add(&seen[value >> 32][(uint32_t)value], 1,
			   __ATOMIC_RELAXED);
}

static void see_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	uint64_t value;

	memcpy(&value, entry->data, sizeof(value));
	see_value(value);
	if ((uint32_t)value + 1 <= last_drained[value >> 32])
		out_of_order++;
	last_drained[value >> 32] = (uint32_t)value + 1;
}

static int see_write(void *opaque, uint64_t offset,
		     const struct bf_io_access *access)
{
	uint64_t value;

	memcpy(&value, access->data, sizeof(value));
	see_value(value);
	return 0;
}

static void *write_values(void *arg)
{
	uint64_t number = (uintptr_t)arg;

	for (uint64_t i = 0; i < EACH; i++)
		if (write_len(BF_IO_MMIO, 0x1000 + i % 2 * 0x100,
			      VALUE(number, i), 8))
			break;
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void drain_until_end(struct bf_io_ring *const *rings)
{
	uint64_t count;

	while (get(&ended) < WRITERS) {
		if (!bf_io_ring_drain(rings, 2, see_entry, NULL))
			usleep(100);
		if (read(efd, &count, sizeof(count)) < 0)
			assert_int_equal(errno, EAGAIN);
	}
	while (bf_io_ring_drain(rings, 2, see_entry, NULL))
		;
}

static void test_several_writers(void **state)
{
	static const struct bf_io_ops ops = {.write = see_write};
	const struct bf_io_range_desc behind = {
		.addr = 0x1000,
		.size = 0x200,
		.ops = &ops,
	};
	struct bf_io_ring *rings[2] = {
		ring_new(0, BF_IO_WAKE_NONEMPTY),
		ring_new(16, BF_IO_WAKE_HALF),
	};
	pthread_t threads[WRITERS];
	uintptr_t i;

	add_zone(rings[0], BF_IO_MMIO, 0x1000);
	add_zone(rings[1], BF_IO_MMIO, 0x1100);
	assert_int_equal(bf_io_add_range(bus, &behind, NULL, NULL), 0);
	for (i = 0; i < WRITERS; i++)
		pthread_create(&threads[i], NULL, write_values, (void *)i);
	drain_until_end(rings);
	for (i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < (uintptr_t)WRITERS * EACH; i++)
		assert_int_equal(seen[i / EACH][i % EACH], 1);
	assert_int_equal(out_of_order, 0);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(rings[0]), 0);
	assert_int_equal(bf_io_ring_destroy(rings[1]), 0);
}

/* A consumer that sleeps on the eventfd misses no entry. */
static int sleeper_total;

static void *sleep_and_drain(void *arg)
{
	struct bf_io_ring *ring = arg;
	struct bag bag = {.count = 0};
	uint64_t count;

	while (get(&sleeper_total) < EACH) {
		/* Blocks: the test has cleared O_NONBLOCK of efd. */
		if (read(efd, &count, sizeof(count)) != sizeof(count))
			return NULL;
		bag.count = 0;
		bf_io_ring_drain(&ring, 1, put_in_bag, &bag);
		set(&sleeper_total, get(&sleeper_total) + (int)bag.count);
	}
	return NULL;
}

static void test_no_wake_up_is_missed(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_NONEMPTY);
	pthread_t thread;
	int wrote = 0;

	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(fcntl(efd, F_SETFL, O_RDWR), 0);
	pthread_create(&thread, NULL, sleep_and_drain, ring);
	while (wrote < EACH) {
		if (!write_len(BF_IO_MMIO, 0x1000, 0, 4))
			wrote++;
		/* Let the consumer empty the ring now and then. */
		if (wrote % 7 == 0)
			while (get(&sleeper_total) < wrote)
				sched_yield();
	}
	pthread_join(thread, NULL);
	end_ring(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_drain_ends),
		BUS_TEST(test_drain_changes_the_bus),
		BUS_TEST(test_several_writers),
		BUS_TEST(test_no_wake_up_is_missed),
	};

	return cmocka_run_group_tests_name("io_ring_drain", tests, NULL, NULL);
}
