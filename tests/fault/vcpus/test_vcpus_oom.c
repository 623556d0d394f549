// SPDX-License-Identifier: MIT
/*
 * The vCPU table without memory: each allocation fails in turn, and a failed
 * call changes nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "tests/unit/vcpus/vcpus_vcpu.h"

static struct bf_vcpus *vcpus;
static struct vcpu cpus[600];

static int setup(void **state)
{
	memset(cpus, 0, sizeof(cpus));
	return bf_vcpus_create(NULL, &vcpus);
}

static int teardown(void **state)
{
	bf_vcpus_destroy(vcpus);
	return 0;
}

static int add_vcpu(unsigned int n, uint64_t id)
{
	return bf_vcpus_add(vcpus, &cpus[n].entry, id, &vcpu_ops, 0);
}

/* Adds a vCPU; the allocations after the first @allocations fail. */
static int add_with(int allocations, unsigned int n, uint64_t id)
{
	int ret;

	alloc_fail_from(allocations + 1);
	ret = add_vcpu(n, id);
	alloc_fail_from(0);
	return ret;
}

static struct bf_vcpu_entry *by_id(uint64_t id)
{
	int idx = srcu_read_lock(bf_vcpus_srcu(vcpus));
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(vcpus, id);

	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
	return entry;
}

/* Allows more allocations until the addition succeeds; returns their number. */
static int add_eventually(unsigned int n, uint64_t id)
{
	uint32_t created = bf_vcpus_created(vcpus);
	int allocations = 0;

	while (add_with(allocations, n, id)) {
		assert_int_equal(add_with(0, n, id), -ENOMEM);
		assert_int_equal(bf_vcpus_created(vcpus), created);
		assert_int_equal(bf_vcpus_online(vcpus), created);
		assert_null(by_id(id));
		allocations++;
	}
	assert_ptr_equal(by_id(id), &cpus[n].entry);
	return allocations;
}

static void test_create(void **state)
{
	struct bf_vcpus *none = NULL;
	int allocations = 0, ret;

	do {
		alloc_fail_from(++allocations);
		ret = bf_vcpus_create(NULL, &none);
		alloc_fail_from(0);
		if (ret)
			assert_null(none);
	} while (ret == -ENOMEM);
	assert_int_equal(ret, 0);
	assert_in_range(allocations, 2, 10);
	bf_vcpus_destroy(none);
}

static void test_add(void **state)
{
	unsigned int i;

	/*
	 * A failed addition keeps the blocks that it allocated.  Here each of
	 * the two arrays needs one.
	 */
	assert_in_range(add_eventually(0, 0), 1, 2);
	for (i = 1; i < 64; i++)
		assert_int_equal(add_with(0, i, i), 0);
	/* Their second blocks have slots 64 to 127. */
	assert_in_range(add_eventually(64, 64), 1, 2);
	for (i = 65; i < 100; i++)
		assert_int_equal(add_with(0, i, i), 0);
	/* The array of ids needs another one. */
	assert_int_equal(add_eventually(100, UINT32_MAX), 1);
	for (i = 101; i < 128; i++)
		assert_int_equal(add_with(0, i, i), 0);
	for (i = 0; i < 128; i++)
		assert_int_equal(bf_vcpu_entry_index(&cpus[i].entry), i);
}

static void test_errors_come_before_memory(void **state)
{
	assert_int_equal(add_vcpu(0, 1), 0);
	assert_int_equal(add_with(0, 1, 1), -EEXIST);
	assert_int_equal(add_with(0, 1, 1ULL << 32), -EINVAL);
}

/* One section around all removals keeps all vCPUs from their release. */
static void remove_all_async(void)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(vcpus);
	int idx = srcu_read_lock(srcu);
	unsigned int i;

	for (i = 0; i < 600; i++)
		assert_int_equal(bf_vcpu_entry_remove_async(&cpus[i].entry,
							    NULL, NULL),
				 0);
	assert_int_equal(bf_vcpus_online(vcpus), 0);
	assert_int_equal(bf_vcpus_created(vcpus), 600);
	srcu_read_unlock(srcu, idx);
	srcu_barrier(srcu);
	assert_int_equal(bf_vcpus_created(vcpus), 0);
}

/* After the reservations no call needs memory. */
static void test_only_reservations_need_memory(void **state)
{
	unsigned int i;

	for (i = 0; i < 600; i++)
		assert_int_equal(bf_vcpus_reserve(vcpus, &cpus[i].entry, 7 * i,
						  &vcpu_ops, 0),
				 0);
	alloc_fail_all(true);
	for (i = 0; i < 600; i++)
		bf_vcpu_entry_publish(&cpus[i].entry);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 600);
	for (i = 0; i < 600; i++)
		assert_int_equal(bf_vcpu_entry_remove(&cpus[i].entry), 0);
	for (i = 0; i < 600; i++)
		assert_int_equal(bf_vcpus_add(vcpus, &cpus[i].entry, 7 * i,
					      &vcpu_ops, BF_VCPUS_REUSE_INDEX),
				 0);
	remove_all_async();
	alloc_fail_all(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test_setup_teardown(test_add, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors_come_before_memory,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_only_reservations_need_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
