// SPDX-License-Identifier: MIT
/* Removals without memory, and the memory that removals and threads keep. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "bus_oom_fixture.h"

static void assert_absent(unsigned int i)
{
	assert_int_equal(write_at(BF_IO_MMIO, place(i)), -EOPNOTSUPP);
	assert_int_equal(write_at(BF_IO_PIO, place(i)), -EOPNOTSUPP);
	assert_int_equal(write_at(BF_IO_CCW, place(i)), -EOPNOTSUPP);
}

static void assert_present(unsigned int i)
{
	assert_int_equal(write_at(BF_IO_MMIO, place(i)), 0);
	assert_int_equal(write_at(BF_IO_PIO, place(i)), 0);
	assert_int_equal(write_at(BF_IO_CCW, place(i)), 0);
}

static void ignore_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
}

/* Asserts that the first @count entries are removed, and only these. */
static void assert_removed(unsigned int count)
{
	for (unsigned int i = 0; i < MANY; i++) {
		if (i < count)
			assert_absent(i);
		else
			assert_present(i);
		bf_io_ring_drain(&ring, 1, ignore_entry, NULL);
	}
}

/* Asserts that new entries can be added in the places of removed ones. */
static void assert_usable(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(add_range(place(i), NULL), 0);
		assert_int_equal(add_zone(place(i), NULL), 0);
		assert_int_equal(add_doorbell(place(i), NULL), 0);
	}
	assert_removed(0);
}

static void test_removals_need_no_memory(void **state)
{
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY / 2; i++) {
		assert_int_equal(bf_io_remove_range(bus, ranges[i]), 0);
		assert_int_equal(bf_io_remove_zone(bus, zones[i]), 0);
		assert_int_equal(bf_io_remove_doorbell(bus, doorbells[i]), 0);
		assert_absent(i);
	}
	assert_removed(MANY / 2);
	assert_int_equal(add_range(FREE, NULL), -ENOMEM);
	alloc_fail_all(false);
	assert_usable(MANY / 2);
}

/* A removal without memory uncovers the range and the zone below. */
static void test_uncovered_without_memory(void **state)
{
	static struct bf_io_range *below;
	const struct bf_io_range_desc desc = {
		.addr = place(1),
		.size = STEP,
		.ops = &counting_ops,
		.priority = -1,
	};
	unsigned int before;

	assert_int_equal(bf_io_add_range(bus, &desc, &below, NULL), 0);
	assert_int_equal(add_zone(place(1), NULL), 0);
	alloc_fail_all(true);
	assert_int_equal(bf_io_remove_range(bus, ranges[1]), 0);
	assert_int_equal(bf_io_remove_zone(bus, zones[1]), 0);
	assert_present(1);
	before = written;
	assert_int_equal(write_at(BF_IO_MMIO, place(1)), 0);
	assert_int_equal(written, before + 1);
	assert_int_equal(bf_io_remove_range(bus, below), 0);
	assert_int_equal(write_at(BF_IO_MMIO, place(1)), -EOPNOTSUPP);
	alloc_fail_all(false);
	assert_int_equal(add_range(place(1), NULL), 0);
	assert_present(1);
}

static void remove_async(unsigned int i)
{
	bf_io_remove_range_async(bus, ranges[i], complete, NULL);
	bf_io_remove_zone_async(bus, zones[i], complete, NULL);
	bf_io_remove_doorbell_async(bus, doorbells[i], complete, NULL);
}

static void test_async_removals_need_no_memory(void **state)
{
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY / 2; i++)
		remove_async(i);
	settle();
	assert_int_equal(__atomic_load_n(&completed, __ATOMIC_ACQUIRE),
			 3 * (MANY / 2));
	assert_removed(MANY / 2);
	alloc_fail_all(false);
	assert_usable(MANY / 2);
}

/* The last entries can be removed without memory, too. */
static void test_all_removed_without_memory(void **state)
{
	alloc_fail_all(true);
	for (unsigned int i = 0; i < MANY; i++)
		remove_async(i);
	assert_removed(MANY);
	alloc_fail_all(false);
	assert_usable(MANY);
}

/* Some removals copy nodes, and some clear entries in place. */
static void test_removals_with_some_memory(void **state)
{
	for (unsigned int i = 0; i < MANY; i++) {
		alloc_fail_at(i % 4);
		remove_async(i);
		alloc_fail_at(0);
	}
	assert_removed(MANY);
	assert_usable(MANY);
}

static int remove_others(void *opaque, uint64_t offset,
			 const struct bf_io_access *access)
{
	alloc_fail_all(true);
	assert_int_equal(bf_io_remove_range(bus, ranges[0]), -EDEADLK);
	for (unsigned int i = 0; i < MANY / 2; i++)
		remove_async(i);
	alloc_fail_all(false);
	return 0;
}

static void test_removals_in_a_handler_need_no_memory(void **state)
{
	static const struct bf_io_ops remover = {.write = remove_others};
	const struct bf_io_range_desc desc = {
		.addr = FREE,
		.size = 8,
		.ops = &remover,
	};

	assert_int_equal(bf_io_add_range(bus, &desc, NULL, NULL), 0);
	assert_int_equal(write_at(BF_IO_MMIO, FREE), 0);
	assert_removed(MANY / 2);
	settle();
	assert_int_equal(__atomic_load_n(&completed, __ATOMIC_ACQUIRE),
			 3 * (MANY / 2));
	assert_usable(MANY / 2);
}

/* Removed entries are freed although no reader uses the bus. */
static void test_no_memory_is_kept(void **state)
{
	struct bf_io_range *range;
	long live;

	settle();
	live = alloc_live();
	for (unsigned int i = 0; i < 1000; i++) {
		assert_int_equal(add_range(FREE, &range), 0);
		assert_int_equal(bf_io_remove_range(bus, range), 0);
	}
	settle();
	assert_in_range(alloc_live(), 0, live + 2);
}

static void *write_to_range(void *unused)
{
	write_at(BF_IO_MMIO, FREE);
	return NULL;
}

static int run_thread(void)
{
	pthread_t thread;
	int ret = pthread_create(&thread, NULL, write_to_range, NULL);

	return ret ? ret : pthread_join(thread, NULL);
}

/* The memory of this thread and of the next one stays. */
static int run_first_thread(void **state)
{
	struct bf_io_range *range;

	if (bf_io_bus_create("first", &bus) || add_range(FREE, &range) ||
	    write_at(BF_IO_MMIO, FREE) || run_thread())
		return -1;
	bf_io_bus_destroy(bus);
	return 0;
}

/* What a thread keeps for its handlers serves the next thread. */
static void test_threads_in_turn_keep_no_memory(void **state)
{
	struct bf_io_range *range;
	long live;

	assert_int_equal(add_range(FREE, &range), 0);
	live = alloc_live();
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(run_thread(), 0);
	assert_int_equal(alloc_live(), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		OOM_TEST(test_removals_need_no_memory),
		OOM_TEST(test_uncovered_without_memory),
		OOM_TEST(test_async_removals_need_no_memory),
		OOM_TEST(test_all_removed_without_memory),
		OOM_TEST(test_removals_with_some_memory),
		OOM_TEST(test_removals_in_a_handler_need_no_memory),
		OOM_TEST(test_no_memory_is_kept),
		OOM_TEST(test_threads_in_turn_keep_no_memory),
	};

	return cmocka_run_group_tests_name("io_bus_oom_removal", tests,
					   run_first_thread, NULL);
}
