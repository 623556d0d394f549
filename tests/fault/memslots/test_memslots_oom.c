// SPDX-License-Identifier: MIT
/*
 * Memory slots without memory: each allocation fails in turn.  A change then
 * returns -ENOMEM and changes nothing, but the removal of one slot succeeds.
 * Nothing leaks.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/memslots.h"
#include "memslots/change.h"

#define PAGE  ((uint64_t)sysconf(_SC_PAGESIZE))
#define SLOTS 2200 /* for a tree of three levels */

long __real_syscall(long nr, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f);

static struct bf_memslots *map;
static int removal_ret; /* KVM's answer to removals */

/* Stands for KVM. */
long __wrap_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	const struct kvm_userspace_memory_region *change = (const void *)c;

	if (nr != SYS_ioctl)
		return __real_syscall(nr, a, b, c, d, e, f);
	if (b == KVM_CHECK_EXTENSION || change->memory_size || !removal_ret)
		return 0;
	errno = -removal_ret;
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

/* A hash of all slots and their places. */
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

/* Fails the first allocation, then the second, until the commit succeeds. */
static void commit_until_success(const struct kvm_userspace_memory_region *set,
				 size_t count)
{
	const uint64_t before = digest();
	int n, ret;

	for (n = 1;; n++) {
		alloc_fail_at(n);
		ret = bf_memslots_commit(map, set, NULL, count, NULL);
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

static void fill_map(void)
{
	struct kvm_userspace_memory_region change;
	uint32_t i;

	for (i = 0; i < SLOTS; i++) {
		change = region(i, 2ULL * (i * 1009 % SLOTS));
		assert_int_equal(bf_memslots_set(map, &change), 0);
	}
}

static void make_all_changes(void)
{
	struct kvm_userspace_memory_region many[40];
	uint32_t i;

	for (i = 0; i < 40; i++)
		many[i] = region(4000 + 100 * i, 2 * (SLOTS + i));
	commit_until_success(many, 1);
	commit_until_success(many + 1, 39);
	for (i = 0; i < 40; i++)
		many[i].guest_phys_addr = (2ULL * i + 1) * PAGE;
	commit_until_success(many, 40);
	many[7].flags = KVM_MEM_LOG_DIRTY_PAGES;
	commit_until_success(many + 7, 1);
	for (i = 0; i < 40; i++)
		many[i].memory_size = 0;
	commit_until_success(many, 40);
}

/*
 * A removal succeeds whichever allocation fails, and if all fail.  The slot has
 * a bitmap.
 */
static void make_all_removals(void)
{
	struct kvm_userspace_memory_region back = region(77, 1);
	uint64_t with, without = digest();
	long live;
	int n;

	back.flags = KVM_MEM_LOG_DIRTY_PAGES;
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
	live = alloc_live();
	assert_int_equal(bf_memslots_remove(map, 77), 0);
	assert_int_equal(alloc_live(),
			 live - 3); /* a view, the bitmap and its head */
	assert_int_equal(bf_memslots_remove(map, 77), -EINVAL);
	alloc_fail_all(false);
	assert_int_equal(digest(), without);
	/* The map frees this bitmap at its end. */
	assert_int_equal(bf_memslots_set(map, &back), 0);
}

static void teardown(long live)
{
	bf_memslots_destroy(map);
	assert_int_equal(alloc_live(), live);
}

static void change_a_map(const struct bf_memslots_config *config)
{
	const long live = alloc_live();

	assert_int_equal(bf_memslots_create(config, &map), 0);
	fill_map();
	assert_int_equal(bf_memslots_remove(map, 77), 0);
	assert_int_equal(bf_memslots_remove(map, 78), 0);
	make_all_changes();
	make_all_removals();
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
		ret = bf_memslots_create(NULL, &map);
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

	assert_int_equal(bf_memslots_create(config, &map), 0);
	for (i = 0; i < slots; i++) {
		change = region(i, i);
		assert_int_equal(bf_memslots_set(map, &change), 0);
	}
}

static bool let_go(void *opaque)
{
	(*(int *)opaque)++;
	return true;
}

static int add_listener(void)
{
	const struct bf_memslots_listener_desc desc = {.opaque = NULL};
	struct bf_memslots_listener *listener;
	int ret = bf_memslots_listen(map, &desc, &listener);

	if (!ret)
		bf_memslots_unlisten(listener);
	return ret;
}

static int add_pin(void)
{
	int revoked = 0;
	const struct bf_memslots_pin_desc desc = {
		.revoke = let_go,
		.opaque = &revoked,
	};
	struct bf_memslots_pinned *pin;
	void *hva;
	int ret = bf_memslots_pin(map, &desc, &pin, &hva);

	if (!ret)
		bf_memslots_unpin(pin);
	return ret;
}

static void fail_each_allocation(int (*fn)(void))
{
	const long live = alloc_live();
	int n, ret = -ENOMEM;

	for (n = 1; ret; n++) {
		alloc_fail_at(n);
		ret = fn();
		assert_true(!ret || ret == -ENOMEM);
		assert_int_equal(alloc_live(), live);
	}
	alloc_fail_at(0);
	assert_true(n > 2);
}

static void test_listeners_and_pins(void **state)
{
	const long live = alloc_live();

	create_with(1, NULL);
	fail_each_allocation(add_listener);
	fail_each_allocation(add_pin);
	teardown(live);
}

static void count_slot(void *opaque,
		       const struct kvm_userspace_memory_region *slot,
		       void *tag)
{
	assert_int_equal(slot->slot, 1);
	assert_int_equal(slot->memory_size, PAGE);
	(*(int *)opaque)++;
}

/* A removal in place reaches listeners and holders as any other. */
static void test_removal_is_told_without_memory(void **state)
{
	const long live = alloc_live();
	int told = 0, revoked = 0;
	const struct bf_memslots_listener_desc listener_desc = {
		.remove = count_slot,
		.opaque = &told,
	};
	const struct bf_memslots_pin_desc pin_desc = {
		.gpa = PAGE,
		.revoke = let_go,
		.opaque = &revoked,
	};
	struct bf_memslots_listener *listener;
	struct bf_memslots_pinned *pin;
	void *hva;

	create_with(3, NULL);
	assert_int_equal(bf_memslots_listen(map, &listener_desc, &listener), 0);
	assert_int_equal(bf_memslots_pin(map, &pin_desc, &pin, &hva), 0);
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	alloc_fail_all(false);
	assert_int_equal(told, 1);
	assert_int_equal(revoked, 1);
	bf_memslots_unlisten(listener);
	teardown(live);
}

static bool has(const struct bf_memslots_snapshot *snapshot, uint64_t page)
{
	return bf_memslots_hva(snapshot, 0, page * PAGE, 1, false);
}

static void count_removal(void *opaque)
{
	(*(int *)opaque)++;
}

/*
 * A removal without memory clears the slot in the published view, so a holder
 * of a snapshot sees it disappear.  The callback runs after the holder's drop.
 */
static void test_removal_under_a_snapshot(void **state)
{
	const long live = alloc_live();
	struct bf_memslots_snapshot snapshot;
	int removed = 0;

	create_with(3, NULL);
	bf_memslots_take(map, &snapshot);
	assert_true(has(&snapshot, 1));
	alloc_fail_all(true);
	assert_int_equal(
		bf_memslots_remove_async(map, 1, count_removal, &removed), 0);
	alloc_fail_all(false);
	assert_int_equal(removed, 0);
	assert_false(has(&snapshot, 1));
	assert_true(has(&snapshot, 0) && has(&snapshot, 2));
	bf_memslots_drop(&snapshot);
	teardown(live);
	assert_int_equal(removed, 1);
}

/*
 * KVM refuses a removal in place.  A device that wrote in the meantime has
 * found no slot to mark, so the slot counts as written.
 */
static void test_refused_removal_in_place_marks_all(void **state)
{
	const long live = alloc_live();
	struct kvm_userspace_memory_region logged = region(1, 1);
	uint64_t bitmap = 0;
	const struct kvm_dirty_log log = {.slot = 1, .dirty_bitmap = &bitmap};

	create_with(1, &forwards);
	logged.memory_size = 3 * PAGE;
	logged.flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(bf_memslots_set(map, &logged), 0);
	removal_ret = -EIO;
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 1), -EIO);
	alloc_fail_all(false);
	removal_ret = 0;
	assert_int_equal(bf_memslots_get_dirty_log(map, &log), 0);
	assert_int_equal(bitmap, 7);
	teardown(live);
}

/* A new slot covers the places of several slots that were cleared in place. */
static void test_cleared_places_are_reused(void **state)
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

#define GUEST_DATA  0x67756573U
#define CALLER_DATA 0x63616c6cU
#define READERS	    2
#define REMOVALS    3000
#define MAX_PAGE    65536 /* of any kernel */

static uint32_t page[MAX_PAGE / sizeof(uint32_t)]
	__attribute__((aligned(MAX_PAGE)));
static bool stop;
static unsigned long found, wrong;

/* Memory that a lookup finds belongs to the guest until the drop. */
static void *look_up_page(void *arg)
{
	struct bf_memslots_snapshot snapshot;
	const uint32_t *hva;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		bf_memslots_take(map, &snapshot);
		hva = bf_memslots_hva(&snapshot, 0, PAGE, PAGE, false);
		if (hva) {
			__atomic_fetch_add(&found, 1, __ATOMIC_RELAXED);
			if (*hva != GUEST_DATA)
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
	page[0] = GUEST_DATA;
	assert_int_equal(bf_memslots_set(map, &change), 0);
	while (__atomic_load_n(&found, __ATOMIC_RELAXED) == before)
		sched_yield();
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 1), 0);
	alloc_fail_all(false);
	page[0] = CALLER_DATA;
}

static void test_removal_beside_readers(void **state)
{
	pthread_t threads[READERS];
	int i;

	create_with(1, NULL);
	for (i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, look_up_page, NULL);
	for (i = 0; i < REMOVALS; i++)
		add_and_remove_page();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wrong, 0);
	bf_memslots_destroy(map);
}

/* If KVM refuses the removal, the map keeps the slot. */
static void test_kvm_refuses_removal(void **state)
{
	const long live = alloc_live();
	uint64_t before;

	create_with(3, &forwards);
	before = digest();
	removal_ret = -ENOMEM;
	assert_int_equal(bf_memslots_remove(map, 1), -ENOMEM);
	assert_int_equal(digest(), before);
	alloc_fail_all(true);
	assert_int_equal(bf_memslots_remove(map, 1), -ENOMEM);
	assert_int_equal(digest(), before);
	removal_ret = 0;
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
		cmocka_unit_test(test_listeners_and_pins),
		cmocka_unit_test(test_removal_is_told_without_memory),
		cmocka_unit_test(test_removal_under_a_snapshot),
		cmocka_unit_test(test_refused_removal_in_place_marks_all),
		cmocka_unit_test(test_cleared_places_are_reused),
		cmocka_unit_test(test_removal_beside_readers),
		cmocka_unit_test(test_kvm_refuses_removal),
	};

	return cmocka_run_group_tests_name("memslots_oom", tests, NULL, NULL);
}
