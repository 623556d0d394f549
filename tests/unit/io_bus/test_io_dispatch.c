// SPDX-License-Identifier: MIT
/*
 * The interface of dispatch: the entry that took an access, the source that a
 * handler gets, the failures of handlers; and descriptions and sections.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/io_ring.h"
#include "bus_fixture.h"

/* The last access that a handler or a callback got. */
static struct bf_io_access seen;
static int answer;

static int see(void *opaque, uint64_t offset, const struct bf_io_access *access)
{
	seen = *access;
	return answer;
}

static const struct bf_io_ops see_ops = {.read = see, .write = see};

static void see_signal(void *opaque, uint64_t value,
		       const struct bf_io_access *access)
{
	seen = *access;
}

static struct bf_io_doorbell_desc callback_at(uint64_t addr)
{
	return (struct bf_io_doorbell_desc){
		.addr = addr,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = see_signal,
	};
}

static struct bf_io_access write_to(uint64_t addr, uint64_t *data, uint32_t len)
{
	return (struct bf_io_access){
		.addr = addr,
		.data = data,
		.len = len,
		.write = true,
		.taken_by = 0xff,
		.source = data,
	};
}

/* Dispatches a write of 4 bytes. */
static int write_and_see(uint64_t addr, enum bf_io_kind *taken_by)
{
	uint64_t data = 1;
	struct bf_io_access access = write_to(addr, &data, 4);
	int ret;

	memset(&seen, 0, sizeof(seen));
	ret = bf_io_dispatch(bus, &access);
	*taken_by = access.taken_by;
	if (seen.len) {
		assert_int_equal(seen.addr, addr);
		assert_int_equal(seen.len, 4);
		assert_true(seen.write);
		assert_ptr_equal(seen.data, &data);
		assert_ptr_equal(seen.source, &data);
	}
	return ret;
}

static void test_taken_by(void **state)
{
	struct bf_io_zone_desc zone = {.addr = 0x2000, .size = 8};
	struct bf_io_ring *ring;
	struct bf_io_zone *handle;
	enum bf_io_kind kind;

	answer = 0;
	assert_int_equal(bf_io_ring_create(NULL, &ring), 0);
	zone.ring = ring;
	assert_int_equal(bf_io_add_zone(bus, &zone, &handle, NULL), 0);
	assert_int_equal(add_doorbell(callback_at(0x1000), NULL), 0);
	assert_int_equal(add_range(0x3000, 8, &see_ops, NULL, NULL), 0);
	assert_int_equal(write_and_see(0x1000, &kind), 0);
	assert_int_equal(kind, BF_IO_DOORBELL);
	assert_int_equal(write_and_see(0x2000, &kind), 0);
	assert_int_equal(kind, BF_IO_ZONE);
	assert_int_equal(write_and_see(0x3000, &kind), 0);
	assert_int_equal(kind, BF_IO_RANGE);
	assert_int_equal(write_and_see(0x4000, &kind), -EOPNOTSUPP);
	assert_int_equal(kind, BF_IO_NONE);
	assert_int_equal(bf_io_remove_zone(bus, handle), 0);
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/* The first part of a long access, or the first element of a string, decides. */
static void test_taken_by_of_parts(void **state)
{
	uint64_t data[2] = {0};
	struct bf_io_access access = write_to(0x1000, data, 16);
	uint32_t done;

	answer = 0;
	assert_int_equal(add_doorbell(callback_at(0x1000), NULL), 0);
	assert_int_equal(add_range(0x1008, 8, &see_ops, NULL, NULL), 0);
	assert_int_equal(bf_io_dispatch_long(bus, &access, &done), 0);
	assert_int_equal(access.taken_by, BF_IO_DOORBELL);
	assert_int_equal(seen.addr, 0x1008);
	assert_ptr_equal(seen.source, data);
	access = write_to(0x1008, data, 8);
	assert_int_equal(bf_io_dispatch_string(bus, &access, 2), 0);
	assert_int_equal(access.taken_by, BF_IO_RANGE);
	assert_int_equal(bf_io_dispatch_string(bus, &access, 0), -EOPNOTSUPP);
	assert_int_equal(access.taken_by, BF_IO_NONE);
	access.len = 9;
	access.taken_by = 0xff;
	assert_int_equal(bf_io_dispatch(bus, &access), -EINVAL);
	assert_int_equal(access.taken_by, BF_IO_NONE);
}

static void test_handlers_failure(void **state)
{
	uint64_t data[2] = {0};
	struct bf_io_access access = write_to(0x1000, data, 16);
	enum bf_io_kind kind;
	uint32_t done = 100;

	assert_int_equal(add_range(0x1000, 16, &see_ops, NULL, NULL), 0);
	answer = -EIO;
	assert_int_equal(write_and_see(0x1000, &kind), -EIO);
	assert_int_equal(kind, BF_IO_RANGE);
	answer = -EOPNOTSUPP;
	assert_int_equal(write_and_see(0x1000, &kind), -EOPNOTSUPP);
	assert_int_equal(kind, BF_IO_NONE);
	answer = -EBUSY;
	assert_int_equal(bf_io_dispatch_long(bus, &access, &done), -EBUSY);
	assert_int_equal(done, 0);
	assert_int_equal(access.taken_by, BF_IO_RANGE);
	access.len = 8;
	assert_int_equal(bf_io_dispatch_string(bus, &access, 2), -EBUSY);
}

static void test_consumer_is_explicit(void **state)
{
	const struct bf_io_doorbell_desc zeroes = {.wildcard = true};
	struct bf_io_doorbell_desc desc = callback_at(0x1000);
	struct bf_io_doorbell *doorbell;

	assert_int_equal(bf_io_add_doorbell(bus, &zeroes, NULL, NULL), -EINVAL);
	assert_int_equal(bf_io_find_doorbell(bus, &zeroes, &doorbell), -EINVAL);
	desc.callback = NULL;
	assert_int_equal(add_doorbell(desc, NULL), -EINVAL);
	desc = callback_at(0x1000);
	desc.consumer = BF_IO_CONSUMER_CALLBACK + 1;
	assert_int_equal(add_doorbell(desc, NULL), -EINVAL);
}

static void test_reserved_words(void **state)
{
	struct bf_io_doorbell_desc doorbell = callback_at(0x1000);
	struct bf_io_range_desc range = {.size = 1, .ops = &see_ops};
	struct bf_io_ring_desc ring_desc = {.entries = 1};
	struct bf_io_zone_desc zone = {.size = 1};
	struct bf_io_doorbell *found;
	struct bf_io_ring *ring;

	assert_int_equal(bf_io_ring_create(&ring_desc, &ring), 0);
	zone.ring = ring;
	for (int i = 0; i < 4; i++) {
		doorbell.reserved[i] = range.reserved[i % 3] =
			zone.reserved[i] = ring_desc.reserved[i] =
				1ULL << (10 * i + 5);
		assert_int_equal(bf_io_add_doorbell(bus, &doorbell, NULL, NULL),
				 -EINVAL);
		assert_int_equal(bf_io_find_doorbell(bus, &doorbell, &found),
				 -EINVAL);
		assert_int_equal(bf_io_add_range(bus, &range, NULL, NULL),
				 -EINVAL);
		assert_int_equal(bf_io_add_zone(bus, &zone, NULL, NULL),
				 -EINVAL);
		doorbell.reserved[i] = range.reserved[i % 3] =
			zone.reserved[i] = 0;
		assert_int_equal(bf_io_ring_create(&ring_desc, &ring), -EINVAL);
		ring_desc.reserved[i] = 0;
	}
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

static void test_find_range(void **state)
{
	struct bf_io_range *range, *found;
	int device;

	assert_int_equal(add_range(0x1000, 16, &see_ops, &device, &range), 0);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x1000, &found), 0);
	assert_ptr_equal(found, range);
	assert_ptr_equal(bf_io_range_opaque(found), &device);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x100f, &found), 0);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x1010, &found),
			 -ENOENT);
	assert_int_equal(bf_io_find_range(bus, BF_IO_PIO, 0x1000, &found),
			 -ENOENT);
	assert_int_equal(bf_io_find_range(bus, BF_IO_SPACES, 0x1000, &found),
			 -EINVAL);
	assert_int_equal(bf_io_move_range(bus, range, 0x2000, NULL), 0);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x1000, &found),
			 -ENOENT);
	assert_int_equal(bf_io_find_range(bus, BF_IO_MMIO, 0x2001, &found), 0);
}

static void set(void *opaque)
{
	__atomic_store_n((int *)opaque, 1, __ATOMIC_RELEASE);
}

static int get(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Found handles are valid until the section ends, however they are removed. */
static void test_section_keeps_handles(void **state)
{
	struct bf_io_doorbell_desc desc = callback_at(0x1000);
	struct bf_io_doorbell *doorbell, *found_doorbell;
	struct bf_io_range *range, *found_range;
	struct bf_io_section section, inner;
	int device, done_doorbell = 0, done_range = 0;

	desc.opaque = &device;
	assert_int_equal(add_doorbell(desc, &doorbell), 0);
	assert_int_equal(add_range(0x2000, 8, &see_ops, &device, &range), 0);
	bf_io_section_begin(bus, &section);
	bf_io_section_begin(bus, &inner);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found_doorbell), 0);
	assert_int_equal(
		bf_io_find_range(bus, BF_IO_MMIO, 0x2000, &found_range), 0);
	bf_io_section_end(&inner);
	assert_int_equal(bf_io_remove_range(bus, range), -EDEADLK);
	assert_int_equal(bf_io_synchronize(bus), -EDEADLK);
	bf_io_remove_doorbell_async(bus, doorbell, set, &done_doorbell);
	bf_io_remove_range_async(bus, range, set, &done_range);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &doorbell), -ENOENT);
	usleep(20000);
	assert_int_equal(get(&done_doorbell) + get(&done_range), 0);
	assert_ptr_equal(bf_io_doorbell_opaque(found_doorbell), &device);
	assert_ptr_equal(bf_io_range_opaque(found_range), &device);
	bf_io_section_end(&section);
	assert_int_equal(bf_io_synchronize(bus), 0);
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(get(&done_doorbell) + get(&done_range), 2);
}

/* The removal of a doorbell does not wait for sections of the bus. */
static void test_doorbell_removed_inside_section(void **state)
{
	struct bf_io_doorbell_desc desc = callback_at(0x1000);
	struct bf_io_doorbell *doorbell, *found;
	struct bf_io_section section;

	desc.opaque = &desc;
	assert_int_equal(add_doorbell(desc, &doorbell), 0);
	bf_io_section_begin(bus, &section);
	assert_int_equal(bf_io_find_doorbell(bus, &desc, &found), 0);
	assert_int_equal(bf_io_remove_doorbell(bus, doorbell), 0);
	assert_ptr_equal(bf_io_doorbell_opaque(found), &desc);
	bf_io_section_end(&section);
}

static void *end_section(void *section)
{
	bf_io_section_end(section);
	return NULL;
}

static void test_section_ends_in_another_thread(void **state)
{
	struct bf_io_section section;
	pthread_t thread;

	bf_io_section_begin(bus, &section);
	assert_int_equal(bf_io_synchronize(bus), -EDEADLK);
	assert_int_equal(pthread_create(&thread, NULL, end_section, &section),
			 0);
	pthread_join(thread, NULL);
	assert_int_equal(bf_io_synchronize(bus), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_taken_by),
		BUS_TEST(test_taken_by_of_parts),
		BUS_TEST(test_handlers_failure),
		BUS_TEST(test_consumer_is_explicit),
		BUS_TEST(test_reserved_words),
		BUS_TEST(test_find_range),
		BUS_TEST(test_section_keeps_handles),
		BUS_TEST(test_doorbell_removed_inside_section),
		BUS_TEST(test_section_ends_in_another_thread),
	};

	return cmocka_run_group_tests_name("io_dispatch", tests, NULL, NULL);
}
