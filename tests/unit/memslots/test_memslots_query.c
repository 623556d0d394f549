// SPDX-License-Identifier: MIT
/* Lookups by host address, tags, free slot numbers, reserved words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "memslots_fixture.h"

static int gpa_of(const void *hva, uint64_t *gpa)
{
	struct bf_memslots_snapshot snapshot;
	int ret;

	bf_memslots_take(map, &snapshot);
	ret = bf_memslots_gpa_of_hva(&snapshot, 0, hva, gpa);
	bf_memslots_drop(&snapshot);
	return ret;
}

static void test_gpa_of_hva(void **state)
{
	uint64_t gpa = 1;

	assert_int_equal(gpa_of(memory, &gpa), -ENOENT);
	assert_int_equal(set(0, 4 * PAGE, 2, 0), 0);
	assert_int_equal(set(1, 9 * PAGE, 2, 1), 0); /* one page is in both */
	assert_int_equal(set(2, 0, 1, 3), 0);
	assert_int_equal(gpa, 1);
	assert_int_equal(gpa_of(memory, &gpa), 0);
	assert_int_equal(gpa, 4 * PAGE);
	assert_int_equal(gpa_of(memory + 2 * PAGE - 1, &gpa), 0);
	assert_int_equal(gpa, 6 * PAGE - 1);
	assert_int_equal(gpa_of(memory + 2 * PAGE, &gpa), 0);
	assert_int_equal(gpa, 10 * PAGE);
	assert_int_equal(gpa_of(memory + 3 * PAGE, &gpa), 0);
	assert_int_equal(gpa, 0);
	assert_int_equal(gpa_of(memory + 4 * PAGE, &gpa), -ENOENT);
	assert_int_equal(gpa_of(memory - 1, &gpa), -ENOENT);
	assert_int_equal(bf_memslots_remove(map, 0), 0);
	assert_int_equal(gpa_of(memory, &gpa), -ENOENT);
}

static int tag_at(uint64_t gpa, void **tag)
{
	struct bf_memslots_snapshot snapshot;
	int ret;

	bf_memslots_take(map, &snapshot);
	ret = bf_memslots_tag(&snapshot, 0, gpa, tag);
	bf_memslots_drop(&snapshot);
	return ret;
}

static void assert_tag(uint64_t gpa, const void *expected)
{
	void *tag = &tag;

	assert_int_equal(tag_at(gpa, &tag), 0);
	assert_ptr_equal(tag, expected);
}

static void test_tag_follows_its_slot(void **state)
{
	struct kvm_userspace_memory_region two[] = {
		region(0, 0, 1, 0),
		region(1, 2 * PAGE, 2, 1),
	};
	int a, b;
	void *const tags[] = {&a, &b};
	void *tag;

	assert_int_equal(bf_memslots_commit(map, two, tags, 2, NULL), 0);
	assert_tag(PAGE - 1, &a);
	assert_int_equal(tag_at(PAGE, &tag), -ENOENT);
	assert_tag(3 * PAGE, &b);
	two[1].guest_phys_addr = 6 * PAGE;
	assert_int_equal(bf_memslots_set(map, &two[1]), 0);
	assert_int_equal(tag_at(3 * PAGE, &tag), -ENOENT);
	assert_tag(7 * PAGE, &b);
	two[1].flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(bf_memslots_set(map, &two[1]), 0);
	assert_tag(7 * PAGE, &b);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	assert_int_equal(bf_memslots_set(map, &two[1]), 0);
	assert_tag(7 * PAGE, NULL);
}

/* A transaction that only changes a tag is not without effect. */
static void test_tag_replaced_in_one_transaction(void **state)
{
	const struct kvm_userspace_memory_region again[] = {
		{.slot = 0},
		region(0, 0, 1, 0),
	};
	int a;
	void *const tags[] = {NULL, &a};

	assert_int_equal(set(0, 0, 1, 0), 0);
	assert_tag(0, NULL);
	assert_int_equal(bf_memslots_commit(map, again, tags, 2, NULL), 0);
	assert_tag(0, &a);
}

/* A refused transaction leaves the tag as it was. */
static void test_tag_after_refusal(void **state)
{
	const struct kvm_userspace_memory_region changes[] = {
		{.slot = 0},
		region(0, 0, 1, 0),
		{.slot = 7},
	};
	struct kvm_userspace_memory_region moved = changes[1];
	int a, b;
	void *const old[] = {&a}, *const tags[] = {NULL, &b, NULL};

	assert_int_equal(bf_memslots_commit(map, &changes[1], old, 1, NULL), 0);
	assert_int_equal(bf_memslots_commit(map, changes, tags, 3, NULL),
			 -EINVAL);
	assert_tag(0, &a);
	moved.guest_phys_addr = PAGE;
	assert_int_equal(bf_memslots_set(map, &moved), 0);
	assert_tag(PAGE, &a);
}

static void test_free_slot(void **state)
{
	const struct bf_memslots_config config = {.spaces = 2, .slots = 2};
	struct bf_memslots *small;
	struct kvm_userspace_memory_region change;
	uint32_t slot = 77;

	assert_int_equal(bf_memslots_free_slot(map, 1, &slot), -EINVAL);
	assert_int_equal(slot, 77);
	assert_int_equal(bf_memslots_free_slot(map, 0, &slot), 0);
	assert_int_equal(slot, 0);
	assert_int_equal(bf_memslots_create(&config, &small), 0);
	change = region(1 << 16, 0, 1, 0);
	assert_int_equal(bf_memslots_set(small, &change), 0);
	assert_int_equal(bf_memslots_free_slot(small, 1, &slot), 0);
	assert_int_equal(slot, 1 << 16 | 1);
	change = region(slot, PAGE, 1, 0);
	assert_int_equal(bf_memslots_set(small, &change), 0);
	assert_int_equal(bf_memslots_free_slot(small, 1, &slot), -ENOSPC);
	assert_int_equal(bf_memslots_free_slot(small, 0, &slot), 0);
	assert_int_equal(slot, 0);
	assert_int_equal(bf_memslots_remove(small, 1 << 16), 0);
	assert_int_equal(bf_memslots_free_slot(small, 1, &slot), 0);
	assert_int_equal(slot, 1 << 16);
	bf_memslots_destroy(small);
}

static bool never(void *opaque)
{
	return true;
}

static void test_reserved_words_must_be_zero(void **state)
{
	const struct bf_memslots_config config = {.reserved = {0, 1}};
	const struct bf_memslots_backing_desc memory_desc = {
		.size = PAGE,
		.reserved = {1},
	};
	const struct bf_memslots_listener_desc listener = {.reserved = {1}};
	const struct bf_memslots_pin_desc pin = {
		.revoke = never,
		.reserved = {1},
	};

	assert_int_equal(bf_memslots_create(&config, NULL), -EINVAL);
	assert_int_equal(bf_memslots_backing_create(&memory_desc, NULL),
			 -EINVAL);
	assert_int_equal(bf_memslots_listen(map, &listener, NULL), -EINVAL);
	assert_int_equal(bf_memslots_pin(map, &pin, NULL, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(test_gpa_of_hva),
		MAP_TEST(test_tag_follows_its_slot),
		MAP_TEST(test_tag_replaced_in_one_transaction),
		MAP_TEST(test_tag_after_refusal),
		MAP_TEST(test_free_slot),
		MAP_TEST(test_reserved_words_must_be_zero),
	};

	return cmocka_run_group_tests_name("memslots_query", tests, NULL, NULL);
}
