// SPDX-License-Identifier: MIT
/* Dirty logging of what devices write. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "memslots_fixture.h"

#define NO_PAGES  0
#define UNTOUCHED 0x5555

static int set_logged(uint32_t slot, uint64_t gpa, uint64_t pages, uint64_t at)
{
	struct kvm_userspace_memory_region change =
		region(slot, gpa, pages, at);

	change.flags = KVM_MEM_LOG_DIRTY_PAGES;
	return bf_memslots_set(map, &change);
}

static int get(uint32_t slot, uint64_t *bitmap)
{
	const struct kvm_dirty_log log = {
		.slot = slot,
		.dirty_bitmap = bitmap,
	};

	return bf_memslots_get_dirty_log(map, &log);
}

static int clear(uint32_t slot, uint64_t first, uint32_t pages,
		 uint64_t *bitmap)
{
	const struct kvm_clear_dirty_log log = {
		.slot = slot,
		.first_page = first,
		.num_pages = pages,
		.dirty_bitmap = bitmap,
	};

	return bf_memslots_clear_dirty_log(map, &log);
}

/* The pages of a small slot that were marked since the last call. */
static uint64_t take(uint32_t slot)
{
	uint64_t bitmap = UNTOUCHED;

	assert_int_equal(get(slot, &bitmap), 0);
	return bitmap;
}

static void write_at(uint64_t gpa, size_t len)
{
	static const char data[4 * MAX_PAGE];

	assert_int_equal(bf_memslots_write(map, 0, gpa, data, len), len);
}

static void test_copy_marks(void **state)
{
	char c;

	assert_int_equal(set_logged(3, 16 * PAGE, 8, 0), 0);
	assert_int_equal(take(3), NO_PAGES);
	write_at(17 * PAGE, 1);
	assert_int_equal(take(3), 1 << 1);
	assert_int_equal(take(3), NO_PAGES);
	write_at(18 * PAGE - 1, 2);
	assert_int_equal(take(3), 1 << 1 | 1 << 2);
	write_at(19 * PAGE, 3 * PAGE);
	assert_int_equal(take(3), 1 << 3 | 1 << 4 | 1 << 5);
	write_at(24 * PAGE - 1, 1);
	assert_int_equal(take(3), 1 << 7);
	assert_int_equal(bf_memslots_read(map, 0, 16 * PAGE, &c, 1), 1);
	assert_int_equal(bf_memslots_write(map, 0, 16 * PAGE, &c, 0), 0);
	assert_int_equal(take(3), NO_PAGES);
}

/* A write that crosses slots marks those that log. */
static void test_slots_apart(void **state)
{
	uint64_t bitmap = UNTOUCHED;

	assert_int_equal(set_logged(0, 0, 1, 0), 0);
	assert_int_equal(set(1, PAGE, 1, 1), 0);
	assert_int_equal(set_logged(2, 2 * PAGE, 2, 2), 0);
	write_at(1, 3 * PAGE - 1);
	assert_int_equal(get(1, &bitmap), -ENOENT);
	assert_int_equal(bitmap, UNTOUCHED);
	assert_int_equal(take(0), 1);
	assert_int_equal(take(2), 1);
}

static void test_refusals(void **state)
{
	uint64_t bitmap[2] = {UNTOUCHED, UNTOUCHED};

	assert_int_equal(set_logged(0, 0, 16, 0), 0);
	assert_int_equal(get(7, bitmap), -ENOENT);
	assert_int_equal(get(32767, bitmap), -EINVAL);
	assert_int_equal(get(1 << 16, bitmap), -EINVAL);
	assert_int_equal(clear(7, 0, 16, bitmap), -ENOENT);
	assert_int_equal(clear(32767, 0, 16, bitmap), -EINVAL);
	assert_int_equal(clear(1 << 16, 0, 16, bitmap), -EINVAL);
	assert_int_equal(clear(7, 1, 16, bitmap), -EINVAL);
	assert_int_equal(clear(0, 0, 15, bitmap), -EINVAL);
	assert_int_equal(clear(0, 0, 17, bitmap), -EINVAL);
	assert_int_equal(clear(0, 64, 0, bitmap), -EINVAL);
	assert_int_equal(clear(0, 0, 0, bitmap), 0);
	assert_int_equal(bitmap[0], UNTOUCHED);
	assert_int_equal(get(0, bitmap), 0);
	assert_int_equal(bitmap[0], NO_PAGES);
	assert_int_equal(bitmap[1], UNTOUCHED);
}

/* The memory of a large slot is reserved and never touched. */
static void test_many_words(void **state)
{
	const uint64_t pages = 64 * 3 + 5;
	struct bf_memslots_snapshot snapshot;
	uint64_t bitmap[4], some[2] = {~0ULL, 1};
	struct kvm_userspace_memory_region change = region(0, 0, pages, 0);

	change.flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	bf_memslots_take(map, &snapshot);
	assert_int_equal(bf_memslots_mark_dirty(&snapshot, 0, 63 * PAGE,
						pages * PAGE),
			 (pages - 63) * PAGE);
	assert_int_equal(get(0, bitmap), 0);
	assert_true(bitmap[0] == 1ULL << 63 && bitmap[1] == ~0ULL &&
		    bitmap[2] == ~0ULL && bitmap[3] == 0x1f);
	bf_memslots_mark_dirty(&snapshot, 0, 0, pages * PAGE);
	bf_memslots_drop(&snapshot);
	assert_int_equal(clear(0, 64, 128, some), 0);
	assert_int_equal(clear(0, 192, 5, some + 1), 0);
	assert_int_equal(get(0, bitmap), 0);
	assert_true(bitmap[0] == ~0ULL && bitmap[1] == 0 &&
		    bitmap[2] == ~1ULL && bitmap[3] == 0x1e);
}

static void test_mark_alone(void **state)
{
	struct kvm_userspace_memory_region rom = region(1, 2 * PAGE, 1, 2);
	struct bf_memslots_snapshot snapshot;

	rom.flags = KVM_MEM_READONLY;
	assert_int_equal(set_logged(0, 0, 2, 0), 0);
	assert_int_equal(bf_memslots_set(map, &rom), 0);
	bf_memslots_take(map, &snapshot);
	assert_int_equal(bf_memslots_mark_dirty(&snapshot, 0, PAGE, 2 * PAGE),
			 PAGE);
	assert_int_equal(bf_memslots_mark_dirty(&snapshot, 0, 0, 0), 0);
	assert_int_equal(bf_memslots_mark_dirty(&snapshot, 1, 0, 1), 0);
	bf_memslots_drop(&snapshot);
	assert_int_equal(take(0), 1 << 1);
}

/* As KVM's: a bitmap moves with its slot, and goes with the flag. */
static void test_life_of_a_bitmap(void **state)
{
	assert_int_equal(set(0, 0, 4, 0), 0);
	assert_int_equal(set_logged(0, 0, 4, 0), 0);
	write_at(PAGE, 1);
	assert_int_equal(set_logged(0, 0, 4, 0), 0);
	assert_int_equal(set_logged(0, 8 * PAGE, 4, 0), 0);
	write_at(10 * PAGE, 1);
	assert_int_equal(take(0), 1 << 1 | 1 << 2);
	write_at(8 * PAGE, 1);
	assert_int_equal(set(0, 8 * PAGE, 4, 0), 0);
	write_at(8 * PAGE, 1);
	assert_int_equal(set_logged(0, 8 * PAGE, 4, 0), 0);
	assert_int_equal(take(0), NO_PAGES);
	write_at(8 * PAGE, 1);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_int_equal(get(0, &(uint64_t){0}), -ENOENT);
	assert_int_equal(set_logged(0, 8 * PAGE, 4, 0), 0);
	assert_int_equal(take(0), NO_PAGES);
}

/* A slot that is removed and added again in one transaction. */
static void test_replaced(void **state)
{
	struct kvm_userspace_memory_region changes[2] = {
		{.slot = 0},
		region(0, 8 * PAGE, 4, 0),
	};

	changes[1].flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(set_logged(0, 0, 4, 0), 0);
	write_at(3 * PAGE, 1);
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL), 0);
	assert_int_equal(take(0), 1 << 3); /* KVM moves it */
	write_at(8 * PAGE, 1);
	changes[1].memory_size = 2 * PAGE;
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL), 0);
	assert_int_equal(take(0), NO_PAGES);
	write_at(9 * PAGE, 1);
	assert_int_equal(take(0), 1 << 1);
}

/*
 * The tag of a slot stays with it, whether it logs or not.  So does the bitmap:
 * a snapshot marks where the slot has another tag already.
 */
static void test_tags(void **state)
{
	struct kvm_userspace_memory_region changes[2] = {
		{.slot = 0},
		region(0, 0, 4, 0),
	};
	struct bf_memslots_snapshot first, second;
	char a, b;
	void *tags[2] = {NULL, &a}, *tag;

	changes[1].flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(
		bf_memslots_commit(map, changes + 1, tags + 1, 1, NULL), 0);
	write_at(PAGE, 1);
	bf_memslots_take(map, &first);
	tags[1] = &b;
	assert_int_equal(bf_memslots_commit_async(map, changes, tags, 2, NULL,
						  NULL, NULL),
			 0);
	bf_memslots_take(map, &second);
	assert_int_equal(bf_memslots_snapshot_write(&first, 0, 0, "x", 1), 1);
	assert_int_equal(take(0), 1 << 0 | 1 << 1);
	assert_int_equal(bf_memslots_tag(&first, 0, 0, &tag), 0);
	assert_ptr_equal(tag, &a);
	assert_int_equal(bf_memslots_tag(&second, 0, 0, &tag), 0);
	assert_ptr_equal(tag, &b);
	bf_memslots_drop(&second);
	bf_memslots_drop(&first);
	assert_int_equal(take(0), NO_PAGES);
	assert_int_equal(set(0, 0, 4, 0), 0);
	bf_memslots_take(map, &first);
	assert_int_equal(bf_memslots_tag(&first, 0, 0, &tag), 0);
	assert_ptr_equal(tag, &b);
	bf_memslots_drop(&first);
}

static void test_a_refusal_keeps_the_bitmap(void **state)
{
	struct kvm_userspace_memory_region changes[2] = {
		region(0, 0, 4, 0),
		region(1, 0, 1, 8),
	};

	assert_int_equal(set_logged(0, 0, 4, 0), 0);
	write_at(PAGE, 1);
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, NULL),
			 -EEXIST);
	write_at(2 * PAGE, 1);
	assert_int_equal(take(0), 1 << 1 | 1 << 2);
}

static void test_manual(void **state)
{
	const struct bf_memslots_config config = {
		.dirty_log = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
	};
	uint64_t bits = 1 << 2;

	bf_memslots_destroy(map);
	assert_int_equal(bf_memslots_create(&config, &map), 0);
	assert_int_equal(set_logged(0, 0, 4, 0), 0);
	write_at(PAGE, 2 * PAGE);
	assert_int_equal(take(0), 1 << 1 | 1 << 2);
	assert_int_equal(take(0), 1 << 1 | 1 << 2);
	assert_int_equal(clear(0, 0, 4, &bits), 0);
	assert_int_equal(take(0), 1 << 1);
}

static void test_config(void **state)
{
	struct bf_memslots_config config = {
		.dirty_log = KVM_DIRTY_LOG_INITIALLY_SET,
	};
	struct bf_memslots *other;

	assert_int_equal(bf_memslots_create(&config, &other), -EINVAL);
	config = (struct bf_memslots_config){.slot_flags = KVM_MEM_READONLY};
	assert_int_equal(bf_memslots_create(&config, &other), -EINVAL);
}

/* A device whose snapshot is older than the flag. */
struct device {
	struct bf_memslots_snapshot snapshot;
	bool written;
};

static void *write_later(void *arg)
{
	struct device *device = arg;
	struct timespec while_waiting = {.tv_nsec = 20000000};

	nanosleep(&while_waiting, NULL);
	bf_memslots_snapshot_write(&device->snapshot, 0, 0, "x", 1);
	__atomic_store_n(&device->written, true, __ATOMIC_RELAXED);
	bf_memslots_drop(&device->snapshot);
	return NULL;
}

static void test_the_flag_waits_for_snapshots(void **state)
{
	struct device device = {.written = false};
	pthread_t thread;

	assert_int_equal(set(0, 0, 1, 0), 0);
	bf_memslots_take(map, &device.snapshot);
	assert_int_equal(pthread_create(&thread, NULL, write_later, &device),
			 0);
	assert_int_equal(set_logged(0, 0, 1, 0), 0);
	assert_true(__atomic_load_n(&device.written, __ATOMIC_RELAXED));
	assert_int_equal(take(0), NO_PAGES);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_copy_marks),
		MAP_TEST(test_slots_apart),
		MAP_TEST(test_refusals),
		MAP_TEST(test_many_words),
		MAP_TEST(test_mark_alone),
		MAP_TEST(test_life_of_a_bitmap),
		MAP_TEST(test_replaced),
		MAP_TEST(test_tags),
		MAP_TEST(test_a_refusal_keeps_the_bitmap),
		MAP_TEST(test_manual),
		MAP_TEST(test_config),
		MAP_TEST(test_the_flag_waits_for_snapshots),
	};

	return cmocka_run_group_tests_name("memslots_dirty", tests, NULL, NULL);
}
