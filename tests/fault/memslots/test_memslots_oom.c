// SPDX-License-Identifier: MIT
/*
 * Memory slots when memory runs out, at each allocation in turn.  A change then
 * answers -ENOMEM, and nothing has changed, but the removal of a slot succeeds;
 * in the end nothing has leaked.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/memslots.h"
#include "memslots/forward.h"

#define PAGE  4096ULL
#define SLOTS 2200 /* three levels of a tree */

long __real_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static struct bf_memslots *map;
static int kvm_answers; /* to removals */

/* Stands for KVM. */
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	const struct kvm_userspace_memory_region *change = (const void *)c;

	if (nr != SYS_ioctl)
		return __real_syscall(nr, a, b, c, d, e, f);
	if (change->memory_size || !kvm_answers)
		return 0;
	errno = -kvm_answers;
	return -1;
}

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
	int n, ret;

	for (n = 1;; n++) {
		alloc_fail_at(n);
		ret = bf_memslots_commit(map, set, count, NULL);
		if (alloc_tried() < n)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_int_equal(digest(), before);
	}
	alloc_fail_at(0);
	assert_int_equal(ret, 0);
	assert_true(n > 1);
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
}

/* Whatever fails, and if everything does. */
static void remove_in_every_way(void)
{
	const struct kvm_userspace_memory_region back = region(77, 1);
	uint64_t with, without = digest();
	int n;

	assert_int_equal(bf_memslots_set(map, &back), 0);
	with = digest();
	for (n = 1; n; n = alloc_tried() < n ? 0 : n + 1) {
		alloc_fail_at(n);
		assert_int_equal(bf_memslots_remove(map, 77), 0);
		assert_int_equal(digest(), without);
		alloc_fail_at(0);
		assert_int_equal(bf_memslots_set(map, &back), 0);
		assert_int_equal(digest(), with);
		alloc_fail_at(n);
		assert_int_equal(bf_memslots_remove(map, 78), -EINVAL);
		assert_int_equal(bf_memslots_remove(map, 30000), -EINVAL);
		assert_int_equal(bf_memslots_remove(map, 40000), -EINVAL);
	}
	alloc_fail_at(0);
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 77), 0);
	assert_int_equal(bf_memslots_remove(map, 77), -EINVAL);
	alloc_fail_all(false);
	assert_int_equal(digest(), without);
}

static void teardown(long live)
{
	bf_memslots_destroy(map);
	assert_int_equal(alloc_live(), live);
}

static void change_a_map(const struct bf_memslots_config *config)
{
	const long live = alloc_live();

	assert_int_equal(bf_memslots_create(&map, config), 0);
	fill();
	assert_int_equal(bf_memslots_remove(map, 77), 0);
	assert_int_equal(bf_memslots_remove(map, 78), 0);
	change_in_every_way();
	remove_in_every_way();
	teardown(live);
}

static void test_changes(void **state)
{
	change_a_map(NULL);
}

static const struct bf_memslots_config forwards = {
	.forward = true,
	.slots = 32764,
	.spaces = 1,
};

static void test_forwarded_changes(void **state)
{
	change_a_map(&forwards);
}

static void test_create(void **state)
{
	const long live = alloc_live();
	int n, ret = -ENOMEM;

	for (n = 1; ret; n++) {
		alloc_fail_at(n);
		ret = bf_memslots_create(&map, NULL);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(alloc_live(), live);
		}
	}
	alloc_fail_at(0);
	assert_true(n > 4);
	teardown(live);
}

static void create_with(uint32_t slots, const struct bf_memslots_config *config)
{
	struct kvm_userspace_memory_region change;
	uint32_t i;

	assert_int_equal(bf_memslots_create(&map, config), 0);
	for (i = 0; i < slots; i++) {
		change = region(i, i);
		assert_int_equal(bf_memslots_set(map, &change), 0);
	}
}

static bool has(const struct bf_memslots_snapshot *snapshot, uint64_t page)
{
	return bf_memslots_hva(snapshot, 0, page * PAGE, 1, false);
}

static void remember(void *opaque)
{
	(*(int *)opaque)++;
}

/* Who looks sees the slot go; it is over when he has left. */
static void test_removal_under_a_snapshot(void **state)
{
	const long live = alloc_live();
	struct bf_memslots_snapshot snapshot;
	int gone = 0;

	create_with(3, NULL);
	bf_memslots_take(map, &snapshot);
	assert_true(has(&snapshot, 1));
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove_async(map, 1, remember, &gone), 0);
	alloc_fail_all(false);
	assert_int_equal(gone, 0);
	assert_false(has(&snapshot, 1));
	assert_true(has(&snapshot, 0) && has(&snapshot, 2));
	bf_memslots_drop(&snapshot);
	teardown(live);
	assert_int_equal(gone, 1);
}

/* One that covers the places of several, and begins where one of them did. */
static void test_place_is_taken_again(void **state)
{
	struct kvm_userspace_memory_region wide = region(9, 2);
	const long live = alloc_live();
	struct bf_memslots_snapshot snapshot;
	uint32_t i;

	wide.memory_size = 5 * PAGE;
	create_with(8, NULL);
	alloc_fail_all(true);
	for (i = 1; i < 7; i++)
		assert_int_equal(bf_memslots_remove(map, i), 0);
	alloc_fail_all(false);
	assert_int_equal(bf_memslots_set(map, &wide), 0);
	bf_memslots_take(map, &snapshot);
	assert_true(has(&snapshot, 0) && has(&snapshot, 7));
	assert_false(has(&snapshot, 1));
	for (i = 2; i < 7; i++)
		assert_true(has(&snapshot, i));
	bf_memslots_drop(&snapshot);
	teardown(live);
}

#define GUESTS	 0x67756573U
#define CALLERS	 0x63616c6cU
#define READERS	 2
#define REMOVALS 3000

static uint32_t page[PAGE / sizeof(uint32_t)] __attribute__((aligned(PAGE)));
static bool stop;
static unsigned long found, wrong;

/* Memory that is found is the guest's until the snapshot is dropped. */
static void *look(void *arg)
{
	struct bf_memslots_snapshot snapshot;
	const uint32_t *hva;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		bf_memslots_take(map, &snapshot);
		hva = bf_memslots_hva(&snapshot, 0, PAGE, PAGE, false);
		if (hva) {
			__atomic_fetch_add(&found, 1, __ATOMIC_RELAXED);
			if (*hva != GUESTS)
				__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		}
		bf_memslots_drop(&snapshot);
	}
	return NULL;
}

static void add_and_remove_page(void)
{
	struct kvm_userspace_memory_region change = region(1, 1);
	unsigned long before = __atomic_load_n(&found, __ATOMIC_RELAXED);

	change.userspace_addr = (uintptr_t)page;
	page[0] = GUESTS;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	while (__atomic_load_n(&found, __ATOMIC_RELAXED) == before)
		sched_yield();
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	alloc_fail_all(false);
	page[0] = CALLERS;
}

static void test_removal_beside_readers(void **state)
{
	pthread_t threads[READERS];
	int i;

	create_with(1, NULL);
	for (i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, look, NULL);
	for (i = 0; i < REMOVALS; i++)
		add_and_remove_page();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	bf_memslots_destroy(map);
}

/* KVM has it still, and so has the map. */
static void test_kvm_refuses_removal(void **state)
{
	const long live = alloc_live();
	uint64_t before;

	create_with(3, &forwards);
	before = digest();
	kvm_answers = -ENOMEM;
	assert_int_equal(bf_memslots_remove(map, 1), -ENOMEM);
	assert_int_equal(digest(), before);
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 1), -ENOMEM);
	assert_int_equal(digest(), before);
	kvm_answers = 0;
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	alloc_fail_all(false);
	assert_int_not_equal(digest(), before);
	teardown(live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_forwarded_changes),
		cmocka_unit_test(test_removal_under_a_snapshot),
		cmocka_unit_test(test_place_is_taken_again),
		cmocka_unit_test(test_removal_beside_readers),
		cmocka_unit_test(test_kvm_refuses_removal),
	};

	return cmocka_run_group_tests_name("memslots_oom", tests, NULL, NULL);
}
