// SPDX-License-Identifier: MIT
/*
 * The memory slots against their model: both get the same random changes and
 * lookups, and must return the same results.  The argument is the number of
 * changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "belfry/memslots.h"
#include "tests/fault/alloc_fault.h"
#include "memslots_model.h"
#include "base/util.h"

#define TRANSACTION 6

static unsigned int rounds = 1500000;
static struct bf_memslots *map;
static struct model model;
static uint64_t random_state;

static int setup(void **state)
{
	const struct bf_memslots_config config = {
		.spaces = 2,
		.slots = MODEL_SLOTS,
	};
	uint32_t space, i;

	memset(&model, 0, sizeof(model));
	model.spaces = 2;
	for (space = 0; space < 2; space++)
		for (i = 0; i < MODEL_SLOTS; i++)
			model.slots[space][i].slot = space << 16 | i;
	random_state = 20260101;
	return bf_memslots_create(&config, &map);
}

static int teardown(void **state)
{
	bf_memslots_destroy(map);
	return 0;
}

static void compare_byte(const struct bf_memslots_snapshot *snapshot,
			 uint32_t space, uint64_t gpa)
{
	const struct kvm_userspace_memory_region *slot =
		model_find(&model, space, gpa);
	uint64_t hva =
		slot ? slot->userspace_addr + (gpa - slot->guest_phys_addr) : 0;
	uint64_t writable = slot && slot->flags & KVM_MEM_READONLY ? 0 : hva;

	assert_int_equal((uintptr_t)bf_memslots_hva(snapshot, space, gpa, 1,
						    false),
			 hva);
	assert_int_equal((uintptr_t)bf_memslots_hva(snapshot, space, gpa, 0,
						    true),
			 writable);
}

static void compare_span(const struct bf_memslots_snapshot *snapshot,
			 uint32_t space, uint64_t gpa, uint64_t len)
{
	const struct kvm_userspace_memory_region *slot =
		model_find(&model, space, gpa);
	uint64_t rest =
		slot ? slot->memory_size - (gpa - slot->guest_phys_addr) : 0;
	uint64_t span;

	assert_int_equal(!!bf_memslots_hva(snapshot, space, gpa, len, false),
			 slot && len <= rest);
	bf_memslots_span(snapshot, space, gpa, false, &span);
	assert_int_equal(span, rest);
}

/* The elements of the list are where lookups find them, and cover all. */
static void compare_list(const struct bf_memslots_snapshot *snapshot,
			 uint32_t space, uint64_t gpa, uint64_t len, bool write)
{
	struct iovec iov[MODEL_SLOTS];
	uint64_t covered, sum = 0;
	size_t i, count;

	count = bf_memslots_iov(snapshot, space, gpa, len, write, iov,
				MODEL_SLOTS, &covered);
	assert_int_equal(covered, model_reach(&model, space, gpa, len, write));
	for (i = 0; i < count; i++) {
		assert_ptr_equal(iov[i].iov_base,
				 bf_memslots_hva(snapshot, space, gpa + sum, 1,
						 write));
		assert_true(!i ||
			    (char *)iov[i - 1].iov_base + iov[i - 1].iov_len !=
				    iov[i].iov_base);
		sum += iov[i].iov_len;
	}
	assert_int_equal(sum, covered);
}

static void compare_next(const struct bf_memslots_snapshot *snapshot,
			 uint32_t space, uint64_t gpa)
{
	const struct kvm_userspace_memory_region *slot =
		model_next(&model, space, gpa);
	struct kvm_userspace_memory_region region;

	assert_int_equal(bf_memslots_next(snapshot, space, gpa, &region),
			 !!slot);
	if (slot)
		assert_memory_equal(&region, slot, sizeof(region));
}

static void compare_lookups(void)
{
	uint64_t gpa = model_gpa(&random_state);
	uint64_t len = model_random(&random_state);
	uint32_t space = (uint32_t)(len >> 32) % 3;
	struct bf_memslots_snapshot snapshot;

	len >>= len % 61;
	bf_memslots_take(map, &snapshot);
	compare_byte(&snapshot, space, gpa);
	compare_span(&snapshot, space, gpa, len);
	compare_list(&snapshot, space, gpa, len, len % 2);
	compare_next(&snapshot, space, gpa);
	bf_memslots_drop(&snapshot);
}

static void test_random_changes(void **state)
{
	struct kvm_userspace_memory_region change;
	unsigned int i, made = 0;

	for (i = 0; i < rounds; i++) {
		change = model_change(&random_state, 2);
		assert_int_equal(bf_memslots_set(map, &change),
				 model_set(&model, &change));
		made += model_find(&model, change.slot >> 16,
				   change.guest_phys_addr) != NULL;
		compare_lookups();
		compare_lookups();
	}
	assert_true(made > rounds / 100);
}

/* Removals clear slots in place, between changes that copy nodes. */
static void test_removals_without_memory(void **state)
{
	struct kvm_userspace_memory_region change;
	unsigned int i, removed = 0;
	int ret;

	for (i = 0; i < rounds / 4; i++) {
		change = model_change(&random_state, 2);
		alloc_fail_all(!change.memory_size);
		ret = bf_memslots_set(map, &change);
		alloc_fail_all(false);
		assert_int_equal(ret, model_set(&model, &change));
		removed += !ret && !change.memory_size;
		compare_lookups();
		compare_lookups();
	}
	assert_true(removed > rounds / 400);
}

/* All changes or none: after an error the model returns to a copy. */
static int model_commit(const struct kvm_userspace_memory_region *changes,
			size_t count, size_t *failed)
{
	struct model before = model;
	int ret = 0;

	for (*failed = 0; *failed < count; (*failed)++) {
		ret = model_set(&model, &changes[*failed]);
		if (ret) {
			model = before;
			break;
		}
	}
	return ret;
}

static void test_random_transactions(void **state)
{
	struct kvm_userspace_memory_region changes[TRANSACTION];
	struct bf_memslots_conflict conflict;
	size_t i, count, failed;
	unsigned int n, made = 0;
	int ret;

	for (n = 0; n < rounds / 4; n++) {
		count = 1 + model_random(&random_state) % TRANSACTION;
		for (i = 0; i < count; i++)
			changes[i] = model_change(&random_state, 2);
		ret = model_commit(changes, count, &failed);
		assert_int_equal(bf_memslots_commit(map, changes, NULL, count,
						    &conflict),
				 ret);
		if (ret)
			assert_int_equal(conflict.index, failed);
		made += !ret && count > 1;
		compare_lookups();
		compare_lookups();
	}
	assert_true(made > rounds / 1000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_changes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_removals_without_memory,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_transactions, setup,
						teardown),
	};

	if (argc > 1)
		rounds = (unsigned int)strtoul(argv[1], NULL, 0);
	return cmocka_run_group_tests_name("memslots_model", tests, NULL, NULL);
}
