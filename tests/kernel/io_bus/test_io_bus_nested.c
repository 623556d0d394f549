// SPDX-License-Identifier: MIT
/*
 * Entries inside others.  The result of KVM's binary search then depends on the
 * order of registration, and the search misses some entries (kvm_io_bus_cmp()
 * and kvm_io_bus_get_first_dev() in virt/kvm/kvm_main.c).  The bus of belfry
 * misses none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/io_bus.h"
#include "belfry/io_ring.h"
#include "testing/random.h"
#include "base/util.h"

static struct bf_io_bus *bus;
static struct bf_io_ring *ring;
static int efd;

static int setup(void **state)
{
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return efd < 0 || bf_io_ring_create(NULL, &ring) ||
	       bf_io_bus_create("nested", &bus);
}

static int teardown(void **state)
{
	bf_io_bus_destroy(bus);
	close(efd);
	return bf_io_ring_destroy(ring);
}

static int add_zone(uint64_t addr, uint64_t size)
{
	const struct bf_io_zone_desc desc = {
		.addr = addr,
		.size = size,
		.ring = ring,
	};

	return bf_io_add_zone(bus, &desc, NULL, NULL);
}

static int add_doorbell(uint64_t addr, uint32_t len)
{
	const struct bf_io_doorbell_desc desc = {
		.addr = addr,
		.len = len,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_EVENTFD,
		.eventfd = efd,
	};

	return bf_io_add_doorbell(bus, &desc, NULL, NULL);
}

enum taker {
	NONE,
	DOORBELL,
	ZONE,
};

static void ignore(void *opaque, const struct kvm_coalesced_mmio *entry)
{
}

static enum taker write_at(uint64_t addr, uint32_t len)
{
	uint64_t value = 0;
	struct bf_io_access access = {
		.addr = addr,
		.data = &value,
		.len = len,
		.write = true,
	};
	int ret = bf_io_dispatch(bus, &access);
	bool signalled = read(efd, &value, sizeof(value)) == sizeof(value);
	size_t coalesced = bf_io_ring_drain(&ring, 1, ignore, NULL);

	assert_int_equal(ret, signalled || coalesced ? 0 : -EOPNOTSUPP);
	assert_int_equal(signalled + coalesced, !ret);
	if (signalled)
		return DOORBELL;
	return coalesced ? ZONE : NONE;
}

/* In this order the kernel misses a 4-byte write to 0x1900. */
static void test_zone_inside_a_zone(void **state)
{
	assert_int_equal(add_zone(0x1000, 0x1000), 0);
	assert_int_equal(add_zone(0x1800, 4), 0);
	assert_int_equal(write_at(0x1900, 4), ZONE);
	assert_int_equal(write_at(0x1800, 4), ZONE);
}

static void test_zone_around_a_zone(void **state)
{
	assert_int_equal(add_zone(0x1800, 4), 0);
	assert_int_equal(add_zone(0x1000, 0x1000), 0);
	assert_int_equal(write_at(0x1800, 4), ZONE);
	assert_int_equal(write_at(0x1900, 4), ZONE);
	assert_int_equal(write_at(0x17fe, 4), ZONE);
	assert_int_equal(write_at(0x1ffe, 4), NONE);
}

static void test_any_length_inside_a_doorbell(void **state)
{
	assert_int_equal(add_doorbell(0x1010, 0), 0);
	assert_int_equal(add_doorbell(0x1008, 8), 0);
	assert_int_equal(write_at(0x1010, 1), DOORBELL);
	assert_int_equal(write_at(0x1008, 8), DOORBELL);
}

static void test_doorbell_around_any_length(void **state)
{
	assert_int_equal(add_doorbell(0x1008, 8), 0);
	assert_int_equal(add_doorbell(0x1010, 0), 0);
	assert_int_equal(write_at(0x1010, 1), DOORBELL);
	assert_int_equal(write_at(0x1008, 8), DOORBELL);
}

/*
 * The kernel misses a 4-byte write to 0x6010, and gives the zone a 4-byte write
 * to 0x6000.
 */
static void test_any_length_at_a_zone(void **state)
{
	assert_int_equal(add_zone(0x6000, 0x100), 0);
	assert_int_equal(add_doorbell(0x6000, 0), 0);
	assert_int_equal(write_at(0x6010, 4), ZONE);
	assert_int_equal(write_at(0x6000, 4), DOORBELL);
	assert_int_equal(write_at(0x60fd, 4), NONE);
}

static void test_zone_at_any_length(void **state)
{
	assert_int_equal(add_doorbell(0x6000, 0), 0);
	assert_int_equal(add_zone(0x6000, 0x100), 0);
	assert_int_equal(write_at(0x6010, 4), ZONE);
	assert_int_equal(write_at(0x6000, 4), DOORBELL);
	assert_int_equal(write_at(0x60fd, 4), NONE);
}

static void test_any_length_at_the_end_of_a_zone(void **state)
{
	assert_int_equal(add_zone(0x6000, 0x100), 0);
	assert_int_equal(add_doorbell(0x6100, 0), 0);
	assert_int_equal(add_doorbell(0x6080, 0), 0);
	for (uint64_t addr = 0x6000; addr < 0x6100; addr++)
		assert_int_equal(write_at(addr, 1),
				 addr == 0x6080 ? DOORBELL : ZONE);
	assert_int_equal(write_at(0x6100, 2), DOORBELL);
}

static void test_zone_of_no_size(void **state)
{
	assert_int_equal(add_zone(0x6000, 0), -EINVAL);
	assert_int_equal(write_at(0x6000, 1), NONE);
}

/* In sets like this one the kernel misses one write in eleven. */
static void test_crowded_doorbells(void **state)
{
	static const uint32_t lens[] = {8, 1, 4, 2};
	uint64_t seed = 1;
	bool there[256][ARRAY_SIZE(lens)] = {{false}};
	unsigned int i, addr;

	for (i = 0; i < 600; i++) {
		unsigned int len = random_below(&seed, ARRAY_SIZE(lens));

		addr = random_below(&seed, ARRAY_SIZE(there));
		assert_int_equal(add_doorbell(addr, lens[len]),
				 there[addr][len] ? -EEXIST : 0);
		there[addr][len] = true;
	}
	for (addr = 0; addr < ARRAY_SIZE(there); addr++)
		for (i = 0; i < ARRAY_SIZE(lens); i++)
			assert_int_equal(write_at(addr, lens[i]),
					 there[addr][i] ? DOORBELL : NONE);
}

#define BUS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_zone_inside_a_zone),
		BUS_TEST(test_zone_around_a_zone),
		BUS_TEST(test_any_length_inside_a_doorbell),
		BUS_TEST(test_doorbell_around_any_length),
		BUS_TEST(test_any_length_at_a_zone),
		BUS_TEST(test_zone_at_any_length),
		BUS_TEST(test_any_length_at_the_end_of_a_zone),
		BUS_TEST(test_zone_of_no_size),
		BUS_TEST(test_crowded_doorbells),
	};

	return cmocka_run_group_tests_name("io_bus_nested", tests, NULL, NULL);
}
