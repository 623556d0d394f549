// SPDX-License-Identifier: MIT
/* Coalesced rings: layout, zones, wake-ups, order. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ring_fixture.h"
#include "base/util.h"

static void test_layout_of_kernel(void **state)
{
	struct bf_io_ring *ring = NULL;
	struct kvm_coalesced_mmio_ring *memory;
	uint32_t entries;

	assert_int_equal(bf_io_ring_create(NULL, &ring), 0);
	memory = bf_io_ring_memory(ring, &entries);
	assert_int_equal(entries,
			 ((size_t)sysconf(_SC_PAGESIZE) - sizeof(*memory)) /
				 sizeof(memory->coalesced_mmio[0]));
	assert_int_equal(memory->first, 0);
	assert_int_equal(memory->last, 0);
	add_zone(ring, BF_IO_MMIO, 0x1000);
	add_zone(ring, BF_IO_PIO, 0x1000);
	add_zone(ring, 7, 0x1000);
	assert_int_equal(write_len(BF_IO_MMIO, 0x10f8, 0x1122334455667788, 8),
			 0);
	assert_int_equal(write_len(BF_IO_PIO, 0x1001, 0xabcd, 2), 0);
	assert_int_equal(write_len(7, 0x1000, 0xee, 1), 0);
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
	end_ring(ring);
}

static void test_zone_takes_only_writes_inside(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_NONEMPTY);
	uint32_t value = 5;
	struct bf_io_access read_it = {
		.addr = 0x1000,
		.data = &value,
		.len = 4,
	};

	add_zone(ring, BF_IO_MMIO, 0x1000);
	assert_int_equal(bf_io_dispatch(bus, &read_it), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0x10fd, 0, 4), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_MMIO, 0xfff, 0, 2), -EOPNOTSUPP);
	assert_int_equal(write_len(BF_IO_PIO, 0x1000, 0, 4), -EOPNOTSUPP);
	assert_int_equal(taken(efd), 0);
	end_ring(ring);
}

/* A second mapping of the ring's descriptor, as in another process. */
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
	assert_int_equal(write_len(BF_IO_MMIO, 0x1004, 42, 4), 0);
	assert_int_equal(other->last, 1);
	assert_int_equal(other->coalesced_mmio[0].phys_addr, 0x1004);
	munmap(other, size);
	end_ring(ring);
}

static int create(uint32_t entries, int wake, int fd)
{
	const struct bf_io_ring_desc desc = {
		.entries = entries,
		.wake = (enum bf_io_ring_wake)wake,
		.eventfd = fd,
	};
	struct bf_io_ring *ring = NULL;
	int ret = bf_io_ring_create(&desc, &ring);

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
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(taken(efd), 1);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 2, 4), 0);
	assert_int_equal(taken(efd), 0);
	assert_int_equal(bf_io_ring_drain(&ring, 1, put_in_bag, &bag), 2);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 3, 4), 0);
	assert_int_equal(taken(efd), 1);
	end_ring(ring);
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
		while (!taken(efd) && wrote - before < entries)
			assert_int_equal(
				write_len(BF_IO_MMIO, 0x1000, wrote++, 4), 0);
		assert_in_range(wrote - before, entries / 2 - 1,
				entries / 2 + 1);
		/* The ring signals once. */
		assert_int_equal(write_len(BF_IO_MMIO, 0x1000, wrote++, 4), 0);
		assert_int_equal(taken(efd), 0);
		bag.count = 0;
		assert_int_equal(bf_io_ring_drain(&ring, 1, put_in_bag, &bag),
				 wrote - before);
	}
	end_ring(ring);
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
		assert_int_equal(write_len(BF_IO_MMIO, 0x1000 * (1 + i * i % 3),
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
	end_ring(rings[0]);
}

static void test_zone_keeps_its_ring(void **state)
{
	struct bf_io_ring *ring = ring_new(0, BF_IO_WAKE_NEVER);
	struct bf_io_zone *a = add_zone(ring, BF_IO_MMIO, 0x1000);
	struct bf_io_zone *b = add_zone(ring, BF_IO_MMIO, 0x2000);

	assert_int_equal(bf_io_ring_destroy(ring), -EBUSY);
	assert_int_equal(bf_io_remove_zone(bus, a), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), -EOPNOTSUPP);
	assert_int_equal(bf_io_ring_destroy(ring), -EBUSY);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
	assert_int_equal(bf_io_remove_zone(bus, b), 0);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_layout_of_kernel),
		BUS_TEST(test_zone_takes_only_writes_inside),
		BUS_TEST(test_memory_is_shared),
		BUS_TEST(test_bad_rings),
		BUS_TEST(test_wakes_when_no_longer_empty),
		BUS_TEST(test_wakes_when_half_full),
		BUS_TEST(test_order_across_rings),
		BUS_TEST(test_zone_keeps_its_ring),
	};

	return cmocka_run_group_tests_name("io_ring", tests, NULL, NULL);
}
