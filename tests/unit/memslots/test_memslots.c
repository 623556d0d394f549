// SPDX-License-Identifier: MIT
/* Memory slots: lookups, bad slots, and the publication of changes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "memslots_fixture.h"
#include "base/util.h"
#include "memslots/host.h"

static void test_find(void **state)
{
	const uint64_t end = 0x10000 + 2 * PAGE;

	assert_null(find(0, 1, false));
	assert_int_equal(set(0, 0x10000, 2, 0), 0);
	assert_ptr_equal(find(0x10000, 1, true), memory);
	assert_ptr_equal(find(end - 1, 1, true), memory + 2 * PAGE - 1);
	assert_ptr_equal(find(0x10001, 2 * PAGE - 1, false), memory + 1);
	assert_null(find(0x10001, 2 * PAGE, false));
	assert_null(find(0x10000, UINT64_MAX, false));
	assert_null(find(0xffff, 1, false));
	assert_null(find(end, 1, false));
	assert_null(find(UINT64_MAX, 1, false));
	assert_null(find(UINT64_MAX, UINT64_MAX, false));
}

/* The last page of the space cannot be in a slot; the page before it can. */
static void test_ends_of_space(void **state)
{
	const uint64_t top = -2 * PAGE;
	struct bf_memslots_snapshot snapshot;
	struct iovec iov[4];
	uint64_t len;

	assert_int_equal(set(0, top, 1, 0), 0);
	assert_int_equal(set(1, 0, 1, 1), 0);
	assert_int_equal(set(2, top + PAGE, 1, 2), -EINVAL);
	bf_memslots_take(map, &snapshot);
	assert_int_equal(bf_memslots_iov(&snapshot, 0, top, UINT64_MAX, true,
					 iov, 4, &len),
			 1);
	assert_int_equal(len, PAGE);
	assert_ptr_equal(bf_memslots_span(&snapshot, 0, top + 8, false, &len),
			 memory + 8);
	assert_int_equal(len, PAGE - 8);
	assert_null(bf_memslots_span(&snapshot, 0, top + PAGE, false, &len));
	assert_int_equal(len, 0);
	bf_memslots_drop(&snapshot);
}

static void test_spaces(void **state)
{
	const struct bf_memslots_config config = {.spaces = 2};
	struct kvm_userspace_memory_region low = region(5, 0, 1, 0);
	struct kvm_userspace_memory_region high = region(5 | 1 << 16, 0, 1, 1);
	struct bf_memslots_snapshot snapshot;
	struct bf_memslots *two;

	assert_int_equal(bf_memslots_create(&config, &two), 0);
	assert_int_equal(bf_memslots_set(two, &low), 0);
	assert_int_equal(bf_memslots_set(two, &high), 0);
	bf_memslots_take(two, &snapshot);
	assert_ptr_equal(bf_memslots_hva(&snapshot, 0, 0, 1, true), memory);
	assert_ptr_equal(bf_memslots_hva(&snapshot, 1, 0, 1, true),
			 memory + PAGE);
	assert_null(bf_memslots_hva(&snapshot, 2, 0, 1, true));
	assert_null(bf_memslots_hva(&snapshot, UINT32_MAX, 0, 1, true));
	bf_memslots_drop(&snapshot);
	bf_memslots_destroy(two);
}

static void test_bad_config(void **state)
{
	const struct bf_memslots_config bad[] = {
		{.spaces = BF_MEMSLOTS_SPACES + 1},
		{.slots = 32768},
		{.gpa_bits = 65},
		{.pause = free},
		{.resume = free},
		{.forward = true, .vm_fd = -1, .spaces = 17},
	};
	struct bf_memslots *none;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad) - 1; i++)
		assert_int_equal(bf_memslots_create(&bad[i], &none), -EINVAL);
	assert_int_equal(bf_memslots_create(&bad[i], &none), -EBADF);
}

static void test_gpa_bits(void **state)
{
	const struct bf_memslots_config config = {.gpa_bits = 32};
	struct kvm_userspace_memory_region change =
		region(0, (1ULL << 32) - PAGE, 1, 0);
	struct bf_memslots *small;

	assert_int_equal(bf_memslots_create(&config, &small), 0);
	assert_int_equal(bf_memslots_set(small, &change), 0);
	change.guest_phys_addr += PAGE;
	assert_int_equal(bf_memslots_set(small, &change), bf_host_beyond_gpa);
	change = region(1, (1ULL << 32) - PAGE, 2, 0);
	assert_int_equal(bf_memslots_set(small, &change), -EEXIST);
	bf_memslots_destroy(small);
}

/* A slot starts at a multiple of the kernel's page and of no smaller one. */
static void test_page(void **state)
{
	struct kvm_userspace_memory_region change;
	int member;

	for (member = 0; member < 3; member++) {
		change = region(0, PAGE, 2, 1);
		*(member == 0 ? &change.guest_phys_addr :
		  member == 1 ? &change.memory_size :
				&change.userspace_addr) -= PAGE / 2;
		assert_int_equal(bf_memslots_set(map, &change), -EINVAL);
	}
	assert_int_equal(set(0, PAGE, 1, 1), 0);
}

static void test_conflict(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		region(1, 32 * PAGE, 1, 0),
		region(3, PAGE, 1, 1),
	};
	struct bf_memslots_conflict conflict;
	char text[128], expected[128], cut[8];
	int length;

	assert_int_equal(set(7, 0, 16, 0), 0);
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 2, &conflict),
			 -EEXIST);
	assert_int_equal(conflict.index, 1);
	assert_int_equal(conflict.existing.slot, 7);
	length = bf_memslots_conflict_format(&conflict, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	snprintf(expected, sizeof(expected),
		 "change 1: slot 3 [%#llx, %#llx] overlaps slot 7 [0, %#llx]",
		 0ULL + PAGE, 2ULL * PAGE - 1, 16ULL * PAGE - 1);
	assert_string_equal(text, expected);
	assert_true(bf_memslots_conflict_format(&conflict, cut, sizeof(cut)) >
		    7);
	assert_string_equal(cut, "change ");
	assert_null(find(32 * PAGE, 1, false));
	assert_int_equal(bf_memslots_commit(map, NULL, NULL, 0, &conflict), 0);
}

/* A resize of a slot, for which the kernel needs several calls. */
static void test_transaction(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		{.slot = 0},
		region(0, 0, 4, 0),
		region(1, 4 * PAGE, 2, 8),
	};

	assert_int_equal(set(0, 0, 2, 0), 0);
	assert_int_equal(bf_memslots_commit(map, changes, NULL, 3, NULL), 0);
	assert_ptr_equal(find(0, 4 * PAGE, true), memory);
	assert_ptr_equal(find(4 * PAGE, 1, true), memory + 8 * PAGE);
}

static void test_no_change_is_not_published(void **state)
{
	const struct bf_memslots_view *before;

	assert_int_equal(set(0, 0, 2, 0), 0);
	before = map->view;
	assert_int_equal(set(0, 0, 2, 0), 0);
	assert_int_equal(set(0, 0, 3, 0), -EINVAL);
	assert_ptr_equal(map->view, before);
}

static void test_move_and_flags(void **state)
{
	struct kvm_userspace_memory_region change = region(0, 0, 4, 0);

	assert_int_equal(bf_memslots_set(map, &change), 0);
	change.guest_phys_addr = PAGE;
	change.flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	assert_null(find(0, 1, false));
	assert_ptr_equal(find(PAGE, 4 * PAGE, true), memory);
	change.flags = KVM_MEM_READONLY;
	assert_int_equal(bf_memslots_set(map, &change), -EINVAL);
}

/* A new map, and its nodes, may have the addresses of freed ones. */
static void test_slot_does_not_outlive_its_map(void **state)
{
	int i;

	for (i = 0; i < 100; i++) {
		bf_memslots_destroy(map);
		assert_int_equal(bf_memslots_create(NULL, &map), 0);
		assert_null(find((uint64_t)i * PAGE, 1, false));
		assert_int_equal(set(0, (uint64_t)(i + 1) * PAGE, 1, 0), 0);
		assert_non_null(find((uint64_t)(i + 1) * PAGE, 1, false));
	}
}

static void test_many_slots(void **state)
{
	struct kvm_userspace_memory_region found;
	struct bf_memslots_snapshot snapshot;
	uint64_t gpa = 0;
	uint32_t i;

	for (i = 0; i < bf_host_slots; i++)
		assert_int_equal(
			set(i, 2 * PAGE * (i * 7919 % bf_host_slots), 1, 0), 0);
	assert_int_equal(set(i, 2 * PAGE * i, 1, 0), -EINVAL);
	bf_memslots_take(map, &snapshot);
	for (i = 0; bf_memslots_next(&snapshot, 0, gpa, &found); i++) {
		assert_int_equal(found.guest_phys_addr, 2 * PAGE * i);
		gpa = found.guest_phys_addr + found.memory_size;
	}
	bf_memslots_drop(&snapshot);
	assert_int_equal(i, bf_host_slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_find),
		MAP_TEST(test_ends_of_space),
		MAP_TEST(test_spaces),
		MAP_TEST(test_bad_config),
		MAP_TEST(test_gpa_bits),
		MAP_TEST(test_page),
		MAP_TEST(test_conflict),
		MAP_TEST(test_transaction),
		MAP_TEST(test_no_change_is_not_published),
		MAP_TEST(test_move_and_flags),
		MAP_TEST(test_slot_does_not_outlive_its_map),
		MAP_TEST(test_many_slots),
	};

	return cmocka_run_group_tests_name("memslots", tests, NULL, NULL);
}
