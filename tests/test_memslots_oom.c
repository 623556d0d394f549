// SPDX-License-Identifier: MIT
/*
 * Memory slots when memory runs out: linked with --wrap for the allocators,
 * which fail at each allocation in turn.  A change then answers -ENOMEM, and
 * nothing has changed; in the end nothing has leaked.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "belfry/memslots.h"
#include "memslots/forward.h"

#define PAGE  4096ULL
#define SLOTS 2200 /* three levels of a tree */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);
long __wrap_bf_forward_ioctl(int fd, unsigned long request, void *arg);

static long allocations_left = -1; /* until one fails; below 0: none does */
static long balance;

static bool fails(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

static void *counted(void *p)
{
	balance += !!p;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(count, size));
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : counted(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p)
{
	balance -= !!p;
	__real_free(p);
}

long __wrap_bf_forward_ioctl(int fd, unsigned long request, void *arg)
{
	return 0;
}

static struct bf_memslots *map;

static struct kvm_userspace_memory_region region(uint32_t slot, uint64_t page)
{
	return (struct kvm_userspace_memory_region){
		.slot = slot,
		.guest_phys_addr = page * PAGE,
		.memory_size = PAGE,
		.userspace_addr = (1ULL << 40) + slot * PAGE,
	};
}

/* All slots and where they are, as one number. */
static uint64_t digest(void)
{
	struct kvm_userspace_memory_region found;
	struct bf_memslots_snapshot snapshot;
	uint64_t gpa = 0, sum = 0;

	bf_memslots_take(map, &snapshot);
	while (bf_memslots_next(&snapshot, 0, gpa, &found)) {
		sum = sum * 31 + found.guest_phys_addr + found.slot +
		      found.flags;
		gpa = found.guest_phys_addr + found.memory_size;
	}
	bf_memslots_drop(&snapshot);
	return sum;
}

/* Fails at the first allocation, then at the second, until none is left. */
static void try_until_it_works(const struct kvm_userspace_memory_region *set,
			       size_t count)
{
	const uint64_t before = digest();
	long n;
	int ret;

	for (n = 0;; n++) {
		allocations_left = n;
		ret = bf_memslots_commit(map, set, count, NULL);
		if (allocations_left >= 0)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(digest(), before);
	}
	allocations_left = -1;
	assert_int_equal(ret, 0);
	assert_true(n > 0);
	assert_int_not_equal(digest(), before);
}

static void fill(void)
{
	struct kvm_userspace_memory_region change;
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		change = region(i, 2ULL * (i * 1009 % SLOTS));
		assert_int_equal(bf_memslots_set(map, &change), 0);
	}
}

static void change_in_every_way(void)
{
	struct kvm_userspace_memory_region many[40];
	uint32_t i;

	for (i = 0; i < 40; i++)
		many[i] = region(4000 + 100 * i, 2 * (SLOTS + i));
	try_until_it_works(many, 1);
	try_until_it_works(many + 1, 39);
	for (i = 0; i < 40; i++)
		many[i].guest_phys_addr = (2ULL * i + 1) * PAGE;
	try_until_it_works(many, 40);
	many[7].flags = KVM_MEM_LOG_DIRTY_PAGES;
	try_until_it_works(many + 7, 1);
	for (i = 0; i < 40; i++)
		many[i].memory_size = 0;
	try_until_it_works(many, 40);
	many[0] = (struct kvm_userspace_memory_region){.slot = 77};
	try_until_it_works(many, 1);
}

static void test_changes(void **state)
{
	assert_int_equal(bf_memslots_create(&map, NULL), 0);
	fill();
	change_in_every_way();
	bf_memslots_destroy(map);
	assert_int_equal(balance, 0);
}

static void test_forwarded_changes(void **state)
{
	const struct bf_memslots_config config = {
		.forward = true,
		.slots = 32764,
		.spaces = 1,
	};

	assert_int_equal(bf_memslots_create(&map, &config), 0);
	fill();
	change_in_every_way();
	bf_memslots_destroy(map);
	assert_int_equal(balance, 0);
}

static void test_create(void **state)
{
	int ret = -ENOMEM;
	long n;

	for (n = 0; ret; n++) {
		allocations_left = n;
		ret = bf_memslots_create(&map, NULL);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(balance, 0);
		}
	}
	allocations_left = -1;
	assert_true(n > 3);
	bf_memslots_destroy(map);
	assert_int_equal(balance, 0);
}

static void never(void *opaque)
{
	fail();
}

static void test_async_removal(void **state)
{
	struct kvm_userspace_memory_region change = region(1, 1);

	assert_int_equal(bf_memslots_create(&map, NULL), 0);
	assert_int_equal(bf_memslots_set(map, &change), 0);
	allocations_left = 0;
	assert_int_equal(bf_memslots_remove_async(map, 1, never, NULL),
			 -ENOMEM);
	allocations_left = -1;
	bf_memslots_destroy(map);
	assert_int_equal(balance, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_forwarded_changes),
		cmocka_unit_test(test_async_removal),
	};

	return cmocka_run_group_tests_name("memslots_oom", tests, NULL, NULL);
}
