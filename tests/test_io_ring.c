// SPDX-License-Identifier: MIT
/* Rings of coalesced writes: layout, wake-ups, order, a hostile consumer. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/io_ring.h"
#include "flags.h"
#include "util.h"

static struct bf_io_bus *bus;
static int efd;

static int setup(void **state)
{
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return efd < 0 || bf_io_bus_create(&bus, "rings");
}

static int teardown(void **state)
{
	bf_io_bus_destroy(bus);
	close(efd);
	return 0;
}

static uint64_t taken(void)
{
	uint64_t count = 0;

	return read(efd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static struct bf_io_ring *ring_new(uint32_t entries, enum bf_io_ring_wake wake)
{
	const struct bf_io_ring_desc desc = {
		.entries = entries,
		.wake = wake,
		.eventfd = efd,
	};
	struct bf_io_ring *ring = NULL;

	assert_int_equal(bf_io_ring_create(&ring, &desc), 0);
	return ring;
}

static struct bf_io_zone *add_zone(struct bf_io_ring *ring, uint16_t space,
				   uint64_t addr)
{
	const struct bf_io_zone_desc desc = {
		.addr = addr,
		.size = 0x100,
		.space = space,
		.name = "zone",
		.ring = ring,
	};
	struct bf_io_zone *zone = NULL;

	assert_int_equal(bf_io_add_zone(bus, &desc, &zone, NULL), 0);
	return zone;
}

static int write_to(uint16_t space, uint64_t addr, uint64_t value, uint32_t len)
{
	const struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = len,
		.space = space,
		.write = true,
	};

	return bf_io_access(bus, &access);
}

/* What a drain took. */
struct bag {
	unsigned int count;
	struct kvm_coalesced_mmio entries[1024];
};

static void put_in_bag(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	struct bag *bag = opaque;

	bag->entries[bag->count++ % ARRAY_SIZE(bag->entries)] = *entry;
}

/* Destroys the bus too, which is what keeps the ring. */
static void end(struct bf_io_ring *ring)
{
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

static void test_layout_is_the_kernels(void **state)
{
	struct bf_io_ring *ring = NULL;
	struct kvm_coalesced_mmio_ring *memory;
	uint32_t entries;

	assert_int_equal(bf_io_ring_create(&ring, NULL), 0);
	memory = bf_io_ring_memory(ring, &entries);
	assert_int_equal(entries, (4096 - sizeof(*memory)) /
					  sizeof(memory->coalesced_mmio[0]));
	assert_int_equal(memory->first, 0);
	assert_int_equal(memory->last, 0);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	add_zone(ring, BF_IO_PIO, 0x1000);
	add_zone(ring, 7, 0x1000);
	assert_int_equal(write_to(BF_IO_MMIO, 0x10f8, 0x1122334455667788, 8),
			 0);
	assert_int_equal(write_to(BF_IO_PIO, 0x1001, 0xabcd, 2), 0);
	assert_int_equal(write_to(7, 0x1000, 0xee, 1), 0);
	assert_int_equal(memory->first, 0);
	assert_int_equal(memory->last, 3);
	assert_int_equal(memory->coalesced_mmio[0].phys_addr, 0x10f8);
	assert_int_equal(memory->coalesced_mmio[0].len, 8);
	assert_int_equal(memory->coalesced_mmio[0].pio, 0);
	assert_memory_equal(memory->coalesced_mmio[0].data,
			    "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
	assert_int_equal(memory->coalesced_mmio[1].phys_addr, 0x1001);
	assert_int_equal(memory->coalesced_mmio[1].len, 2);
	assert_int_equal(memory->coalesced_mmio[1].pio, 1);
	assert_memory_equal(memory->coalesced_mmio[1].data, "\xcd\xab", 2);
	assert_int_equal(memory->coalesced_mmio[2].pio, 7);
	end(ring);
}

static void test_what_a_zone_does_not_take(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_NONEMPTY);
	uint32_t value = 5;
	const struct bf_io_access read_it = {
		.addr = 0x1000,
		.data = &value,
		.len = 4,
	};

	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(bf_io_access(bus, &read_it), -EOPNOTSUPP);
	assert_int_equal(write_to(BF_IO_MMIO, 0x10fd, 0, 4), -EOPNOTSUPP);
	assert_int_equal(write_to(BF_IO_MMIO, 0xfff, 0, 2), -EOPNOTSUPP);
	assert_int_equal(write_to(BF_IO_PIO, 0x1000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(taken(), 0);
	end(ring);
}

/* Another process would map the same. */
static void test_memory_is_shared(void **state)
{
	struct bf_io_ring *ring = ring_new(1000, BF_IO_WAKE_NEVER);
	struct kvm_coalesced_mmio_ring *other;
	uint32_t entries;
	size_t size = 0;
	int fd = bf_io_ring_fd(ring, &size);

	bf_io_ring_memory(ring, &entries);
	assert_true(entries > 1000);
	assert_true(size >= sizeof(*other) +
				    entries * sizeof(other->coalesced_mmio[0]));
	other = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(other, MAP_FAILED);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1004, 42, 4), 0);
	assert_int_equal(other->last, 1);
	assert_int_equal(other->coalesced_mmio[0].phys_addr, 0x1004);
	munmap(other, size);
	end(ring);
}

static int create(uint32_t entries, int wake, int fd)
{
	const struct bf_io_ring_desc desc = {
		.entries = entries,
		.wake = (enum bf_io_ring_wake)wake,
		.eventfd = fd,
	};
	struct bf_io_ring *ring = NULL;
	int ret = bf_io_ring_create(&ring, &desc);

	assert_true(ret ? !ring : !!ring);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
	return ret;
}

static void test_bad_rings(void **state)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(create((1 << 20) + 1, BF_IO_WAKE_NEVER, -1), -EINVAL);
	assert_int_equal(create(UINT32_MAX, BF_IO_WAKE_NEVER, -1), -EINVAL);
	assert_int_equal(create(1 << 20, BF_IO_WAKE_NEVER, -1), 0);
	assert_int_equal(create(0, BF_IO_WAKE_HALF + 1, efd), -EINVAL);
	assert_int_equal(create(0, BF_IO_WAKE_HALF, -1), -EBADF);
	assert_int_equal(create(0, BF_IO_WAKE_NONEMPTY, file), -EINVAL);
	assert_int_equal(create(1, BF_IO_WAKE_NONEMPTY, efd), 0);
	assert_int_equal(bf_io_ring_destroy(NULL), 0);
	close(file);
}

static void test_wakes_when_no_longer_empty(void **state)
{
	struct bf_io_ring *ring = ring_new(4, BF_IO_WAKE_NONEMPTY);
	struct bag bag = {.count = 0};

	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(taken(), 1);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 2, 4), 0);
	assert_int_equal(taken(), 0);
	assert_int_equal(bf_io_ring_drain(&ring, 1, put_in_bag, &bag), 2);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 3, 4), 0);
	assert_int_equal(taken(), 1);
	end(ring);
}

static void test_wakes_when_half_full(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_HALF);
	struct bag bag = {.count = 0};
	uint32_t entries, wrote = 0, before;

	bf_io_ring_memory(ring, &entries);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	for (int round = 0; round < 3; round++) {
		before = wrote;
		while (!taken() && wrote - before < entries)
			assert_int_equal(
				write_to(BF_IO_MMIO, 0x1000, wrote++, 4), 0);
		assert_in_range(wrote - before, entries / 2 - 1,
				entries / 2 + 1);
		/* Said once. */
		assert_int_equal(write_to(BF_IO_MMIO, 0x1000, wrote++, 4), 0);
		assert_int_equal(taken(), 0);
		bag.count = 0;
		assert_int_equal(bf_io_ring_drain(&ring, 1, put_in_bag, &bag),
				 wrote - before);
	}
	end(ring);
}

static int count_write(void *opaque, uint64_t offset, const void *data,
		       uint32_t len)
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
		assert_int_equal(write_to(BF_IO_MMIO, 0x1000, i, 4), 0);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, i, 4), -EOPNOTSUPP);
	add_range_behind(&handled);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, i, 4), 0);
	assert_int_equal(handled, 1);
	assert_int_equal(bf_io_ring_drain(&ring, 1, put_in_bag, &bag),
			 entries - 1);
	for (i = 0; i < entries - 1; i++)
		assert_int_equal(bag.entries[i].data[0], i);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(handled, 1);
	end(ring);
}

static void test_order_across_rings(void **state)
{
	struct bf_io_ring *rings[3];
	struct bag bag = {.count = 0};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		rings[i] = ring_new(0, BF_IO_WAKE_NEVER);
		add_zone(rings[i], BF_IO_MMIO, 0x1000 * (i + 1));
	}
	for (i = 0; i < 200; i++)
		assert_int_equal(write_to(BF_IO_MMIO, 0x1000 * (1 + i * i % 3),
					  i, 4),
				 0);
	assert_int_equal(bf_io_ring_drain(rings, 3, put_in_bag, &bag), 200);
	for (i = 0; i < 200; i++)
		assert_int_equal(bag.entries[i].data[0], i);
	assert_int_equal(bf_io_ring_drain(rings, 3, put_in_bag, &bag), 0);
	for (i = 1; i < ARRAY_SIZE(rings); i++) {
		bf_io_bus_destroy(bus);
		bus = NULL;
		assert_int_equal(bf_io_ring_destroy(rings[i]), 0);
	}
	end(rings[0]);
}

static void test_zone_keeps_its_ring(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_NEVER);
	struct bf_io_zone *a = add_zone(ring, BF_IO_MMIO, 0x1000);
	struct bf_io_zone *b = add_zone(ring, BF_IO_MMIO, 0x2000);

	assert_int_equal(bf_io_ring_destroy(ring), -EBUSY);
	assert_int_equal(bf_io_remove_zone(bus, a), 0);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(bf_io_ring_destroy(ring), -EBUSY);
	assert_int_equal(write_to(BF_IO_MMIO, 0x2000, 1, 4), 0);
	assert_int_equal(bf_io_remove_zone(bus, b), 0);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/*
 * Whatever first and last are, every write is answered, and none lands where
 * another entry is not (the canaries: what the ring's pages have behind it).
 */
static void test_hostile_consumer(void **state)
{
	static const uint32_t garbage[] = {
		UINT32_MAX, 0x80000000, 170, 171, 4096, 169, 0, 1,
	};
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_HALF);
	struct kvm_coalesced_mmio_ring *memory = bf_io_ring_memory(ring, NULL);
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
					write_to(BF_IO_MMIO, 0x1000, k, 4), 0);
			bf_io_ring_drain(&ring, 1, put_in_bag, &bag);
		}
	end(ring);
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
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(handled, 1);
	memory->first = UINT32_MAX;
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(handled, 2);
	memory->first = memory->last;
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(handled, 2);
	end(ring);
}

/* A consumer that causes what it consumes: a drain ends all the same. */
static void write_again(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	unsigned int *count = opaque;

	++*count;
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 0, 4), 0);
}

static void test_drain_ends(void **state)
{
	struct bf_io_ring *ring = ring_new(8, BF_IO_WAKE_NONEMPTY);
	unsigned int count = 0;
	size_t took;
	uint32_t entries;

	bf_io_ring_memory(ring, &entries);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 0, 4), 0);
	taken();
	took = bf_io_ring_drain(&ring, 1, write_again, &count);
	assert_int_equal(took, count);
	assert_in_range(took, 1, 2 * entries);
	/* It left one, and says so. */
	assert_int_not_equal(taken(), 0);
	end(ring);
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
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 0, 4), 0);
	assert_int_equal(bf_io_ring_drain(&ring, 1, remove_zone, NULL), 2);
	assert_int_equal(write_to(BF_IO_MMIO, 0x1000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/* Several writers over two rings and a range behind, one consumer. */
#define WRITERS	    4
#define EACH	    20000
#define VALUE(w, i) ((uint64_t)(w) << 32 | (i))

static unsigned char seen[WRITERS][EACH];
static uint32_t last_drained[WRITERS];
static int out_of_order, ended;

static void see(uint64_t value)
{
	__atomic_fetch_add(&seen[value >> 32][(uint32_t)value], 1,
			   __ATOMIC_RELAXED);
}

static void see_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	uint64_t value;

	memcpy(&value, entry->data, sizeof(value));
	see(value);
	if ((uint32_t)value + 1 <= last_drained[value >> 32])
		out_of_order++;
	last_drained[value >> 32] = (uint32_t)value + 1;
}

static int see_write(void *opaque, uint64_t offset, const void *data,
		     uint32_t len)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	see(value);
	return 0;
}

static void *writer(void *arg)
{
	uint64_t number = (uintptr_t)arg;

	for (uint64_t i = 0; i < EACH; i++)
		if (write_to(BF_IO_MMIO, 0x1000 + i % 2 * 0x100,
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
		pthread_create(&threads[i], NULL, writer, (void *)i);
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

/* A consumer that sleeps on the eventfd misses nothing. */
static int sleeper_total;

static void *sleep_and_drain(void *arg)
{
	struct bf_io_ring *ring = arg;
	struct bag bag = {.count = 0};
	uint64_t count;

	while (get(&sleeper_total) < EACH) {
		/* Blocks: the test's eventfd is not O_NONBLOCK here. */
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
		if (!write_to(BF_IO_MMIO, 0x1000, 0, 4))
			wrote++;
		/* Let it run empty now and then. */
		if (wrote % 7 == 0)
			while (get(&sleeper_total) < wrote)
				sched_yield();
	}
	pthread_join(thread, NULL);
	end(ring);
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(test_layout_is_the_kernels),
		RING_TEST(test_what_a_zone_does_not_take),
		RING_TEST(test_memory_is_shared),
		RING_TEST(test_bad_rings),
		RING_TEST(test_wakes_when_no_longer_empty),
		RING_TEST(test_wakes_when_half_full),
		RING_TEST(test_full_ring_falls_through),
		RING_TEST(test_order_across_rings),
		RING_TEST(test_zone_keeps_its_ring),
		RING_TEST(test_hostile_consumer),
		RING_TEST(test_index_out_of_range_is_full),
		RING_TEST(test_drain_ends),
		RING_TEST(test_drain_changes_the_bus),
		RING_TEST(test_several_writers),
		RING_TEST(test_no_wake_up_is_missed),
	};

	return cmocka_run_group_tests_name("io_ring", tests, NULL, NULL);
}
