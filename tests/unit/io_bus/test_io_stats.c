// SPDX-License-Identifier: MIT
/* The counters and the dump of a bus. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "belfry/io_ring.h"
#include "belfry/io_stats.h"
#include "bus_fixture.h"

static struct device device;

static void test_counts_while_counting_is_on(void **state)
{
	struct bf_io_doorbell *doorbell;
	struct bf_io_range *range;
	struct bf_io_stats stats;
	uint32_t value;

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, &range), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x2000, 4), &doorbell), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	bf_io_range_stats(range, &stats);
	assert_int_equal(stats.writes + stats.reads + stats.last_ns, 0);
	assert_int_equal(bf_io_count(bus, true), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
	assert_int_equal(read_len(BF_IO_MMIO, 0x1000, &value, 4), 0);
	assert_int_equal(bf_io_count(bus, false), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x1000, 1, 4), 0);
	bf_io_range_stats(range, &stats);
	assert_int_equal(stats.writes, 1);
	assert_int_equal(stats.reads, 1);
	assert_int_not_equal(stats.last_ns, 0);
	bf_io_doorbell_stats(doorbell, &stats);
	assert_int_equal(stats.writes, 2);
	assert_int_equal(stats.reads, 0);
	assert_int_equal(bf_io_doorbell_signals(doorbell), 0);
}

/* A counted doorbell counts its signals whether bf_io_count() is on or off. */
static void test_signals_of_counted_doorbell(void **state)
{
	struct bf_io_doorbell_desc desc = doorbell_at(0x2000, 4);
	struct bf_io_doorbell *doorbell;

	desc.counted = true;
	assert_int_equal(add_doorbell(desc, &doorbell), 0);
	for (uint64_t i = 1; i < 5; i++) {
		assert_int_equal(bf_io_count(bus, i % 2), 0);
		assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 4), 0);
		assert_int_equal(bf_io_doorbell_signals(doorbell), i);
	}
}

#define EACH 1000

static void *write_often(void *arg)
{
	for (int i = 0; i < EACH; i++)
		write_len(BF_IO_MMIO, 0x1000, 1, 4);
	return NULL;
}

static int do_nothing(void *opaque, uint64_t offset,
		      const struct bf_io_access *access)
{
	return 0;
}

/* The counts of threads that have exited remain. */
static void test_counts_of_all_threads(void **state)
{
	static const struct bf_io_ops ops = {.write = do_nothing};
	struct bf_io_range *range;
	struct bf_io_stats stats;
	pthread_t threads[8];

	assert_int_equal(add_range(0x1000, 8, &ops, NULL, &range), 0);
	assert_int_equal(bf_io_count(bus, true), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			pthread_create(&threads[i], NULL, write_often, NULL);
		for (int i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
	}
	bf_io_range_stats(range, &stats);
	assert_int_equal(stats.writes, 3 * 8 * EACH);
}

static char *dump_bus(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(bf_io_dump(bus, out), 0);
	fclose(out);
	return text;
}

static void assert_dump(const char *expected)
{
	char *text = dump_bus();

	assert_string_equal(text, expected);
	free(text);
}

static void add_named(uint16_t space, uint64_t addr, uint64_t size,
		      const char *name)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = size,
		.space = space,
		.name = name,
		.ops = &device_ops,
		.opaque = &device,
	};

	assert_int_equal(bf_io_add_range(bus, &desc, NULL, NULL), 0);
}

static void test_dump(void **state)
{
	struct bf_io_zone_desc zone = {.addr = 0x1040, .size = 8};
	struct bf_io_doorbell_desc counted = doorbell_at(0x2000, 0);
	struct bf_io_ring *ring = NULL;

	assert_dump("bus test\n");
	assert_int_equal(bf_io_ring_create(NULL, &ring), 0);
	zone.ring = ring;
	zone.name = "leds";
	assert_int_equal(bf_io_add_zone(bus, &zone, NULL, NULL), 0);
	add_named(BF_IO_MMIO, 0x1000, 0x100, "serial");
	add_named(BF_IO_MMIO, UINT64_MAX, 1, NULL);
	add_named(BF_IO_PIO, 0x3f8, 8, "com1");
	assert_int_equal(add_doorbell(match_at(0x1044, 4, 1), NULL), 0);
	counted.counted = true;
	assert_int_equal(add_doorbell(counted, NULL), 0);
	assert_int_equal(write_len(BF_IO_MMIO, 0x2000, 1, 1), 0);
	assert_dump(
		"bus test\n"
		"  mmio\n"
		"    0000000000001000-00000000000010ff range serial\n"
		"      0000000000001040-0000000000001047 zone leds\n"
		"        0000000000001044                  doorbell, length 4, "
		"datamatch 0x1\n"
		"    0000000000002000                  doorbell, any length, "
		"any data, signals 1\n"
		"    ffffffffffffffff-ffffffffffffffff range\n"
		"  pio\n"
		"    00000000000003f8-00000000000003ff range com1\n");
	bf_io_bus_destroy(bus);
	bus = NULL;
	assert_int_equal(bf_io_ring_destroy(ring), 0);
}

/* In the dump, a doorbell across the range's end does not end the range. */
static void test_dump_of_doorbell_across_range_end(void **state)
{
	add_named(BF_IO_MMIO, 0x1000, 0x100, "serial");
	assert_int_equal(add_doorbell(doorbell_at(0x10fc, 8), NULL), 0);
	assert_int_equal(add_doorbell(doorbell_at(0x10fe, 2), NULL), 0);
	assert_dump(
		"bus test\n"
		"  mmio\n"
		"    0000000000001000-00000000000010ff range serial\n"
		"    00000000000010fc                  doorbell, length 8, "
		"any data\n"
		"      00000000000010fe                  doorbell, length 2, "
		"any data\n");
}

static void add_over(uint64_t addr, uint64_t size, const char *name,
		     int priority)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = size,
		.name = name,
		.ops = &device_ops,
		.priority = priority,
	};

	assert_int_equal(bf_io_add_range(bus, &desc, NULL, NULL), 0);
}

static void test_dump_of_priorities(void **state)
{
	add_over(0, UINT64_MAX, "fallback", -1);
	add_over(0, 1, "null", 2);
	add_over(0x1000, 0x1000, "bar", 0);
	add_over(0x1000, 0x80, "one", 1);
	add_over(0x1080, 0xf80, "two", 2);
	assert_dump(
		"bus test\n"
		"  mmio\n"
		"    0000000000000000-fffffffffffffffe range fallback, "
		"priority -1, answers 0x1-0xfff 0x2000-0xfffffffffffffffe\n"
		"      0000000000000000-0000000000000000 range null, "
		"priority 2\n"
		"      0000000000001000-0000000000001fff range bar, answers "
		"nowhere\n"
		"        0000000000001000-000000000000107f range one, "
		"priority 1\n"
		"        0000000000001080-0000000000001fff range two, "
		"priority 2\n");
}

static void test_dump_to_full_disk(void **state)
{
	FILE *out = fopen("/dev/full", "w");

	assert_non_null(out);
	setvbuf(out, NULL, _IONBF, 0);
	add_named(BF_IO_MMIO, 0x1000, 0x100, "serial");
	assert_int_equal(bf_io_dump(bus, out), -EIO);
	fclose(out);
}

static void test_publications(void **state)
{
	uint64_t before = bf_io_publications(bus);
	struct bf_io_range *range;

	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, &range), 0);
	assert_int_equal(bf_io_publications(bus), before + 1);
	assert_int_equal(add_range(0x1000, 8, &device_ops, &device, NULL),
			 -EEXIST);
	assert_int_equal(bf_io_publications(bus), before + 1);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	assert_int_equal(bf_io_publications(bus), before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_counts_while_counting_is_on),
		BUS_TEST(test_signals_of_counted_doorbell),
		BUS_TEST(test_counts_of_all_threads),
		BUS_TEST(test_dump),
		BUS_TEST(test_dump_of_doorbell_across_range_end),
		BUS_TEST(test_dump_of_priorities),
		BUS_TEST(test_dump_to_full_disk),
		BUS_TEST(test_publications),
	};

	return cmocka_run_group_tests_name("io_stats", tests, NULL, NULL);
}
