// SPDX-License-Identifier: MIT
/*
 * A process that cannot read the number of CPUs, in a chroot without /sys. With
 * 64-bit offsets, fopen() is fopen64().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "belfry/io_stats.h"
#include "srcu/gp.h"

FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	return strncmp(path, "/sys/", 5) ? __real_fopen64(path, mode) : NULL;
}

static int write_nothing(void *opaque, uint64_t offset,
			 const struct bf_io_access *access)
{
	return 0;
}

static void test_accesses_are_counted(void **state)
{
	static const struct bf_io_ops ops = {.write = write_nothing};
	const struct bf_io_range_desc desc = {.size = 8, .ops = &ops};
	uint32_t value = 0;
	struct bf_io_access access = {
		.data = &value,
		.len = sizeof(value),
		.write = true,
	};
	struct bf_io_range *range;
	struct bf_io_stats stats;
	struct bf_io_bus *bus;

	assert_int_equal(bf_io_bus_create("no sysfs", &bus), 0);
	assert_int_equal(bf_srcu_nr_slots, 0);
	assert_int_equal(bf_io_add_range(bus, &desc, &range, NULL), 0);
	assert_int_equal(bf_io_count(bus, true), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(bf_io_dispatch(bus, &access), 0);
	bf_io_range_stats(range, &stats);
	assert_int_equal(stats.writes, 3);
	assert_int_equal(bf_io_remove_range(bus, range), 0);
	bf_io_bus_destroy(bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accesses_are_counted),
	};

	return cmocka_run_group_tests_name("io_no_sysfs", tests, NULL, NULL);
}
