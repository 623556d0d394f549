// SPDX-License-Identifier: MIT
/* The vCPU table: lookups, iteration, and creations that fail. */
#include <errno.h>
#include <limits.h>

#include "vcpus_fixture.h"

static void test_found_by_index_and_id(void **state)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		assert_int_equal(add_vcpu(i, 3 * i), 0);
	check_counts(NR_VCPUS, NR_VCPUS);
	for (i = 0; i < NR_VCPUS; i++) {
		assert_ptr_equal(table_index(i), &cpus[i].entry);
		assert_ptr_equal(table_id(3 * i), &cpus[i].entry);
		assert_null(table_id(3 * i + 1));
		assert_int_equal(bf_vcpu_entry_index(&cpus[i].entry), i);
		assert_int_equal(bf_vcpu_entry_id(&cpus[i].entry), 3 * i);
	}
	assert_null(table_index(NR_VCPUS));
}

/* Numbers that a guest, or a program with signed numbers, may look up. */
static void check_all_absent(void)
{
	static const uint64_t numbers[] = {
		1,
		255,
		256,
		65535,
		65536,
		1ULL << 24,
		INT_MAX,
		UINT32_MAX,
		1ULL << 32,
		(1ULL << 32) + 1,
		INT64_MAX,
		(uint64_t)-2,
		(uint64_t)-1,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		assert_null(table_index(numbers[i]));
		assert_null(table_id(numbers[i]));
	}
}

static void test_out_of_range_is_null(void **state)
{
	assert_null(table_index(0));
	assert_null(table_id(0));
	check_all_absent();
	assert_int_equal(add_vcpu(0, 0), 0);
	check_all_absent();
	assert_non_null(table_id(0));
}

static void test_largest_id(void **state)
{
	assert_int_equal(add_vcpu(0, UINT32_MAX), 0);
	assert_ptr_equal(table_id(UINT32_MAX), &cpus[0].entry);
	assert_null(table_id(UINT32_MAX - 1));
	assert_null(table_id((uint64_t)-1));
	assert_null(table_id(0));
}

static void test_reserved_is_null(void **state)
{
	struct bf_vcpu_entry *entry = &cpus[0].entry;

	assert_int_equal(bf_vcpus_reserve(vcpus, entry, 7, &vcpu_ops, 0), 0);
	check_counts(1, 0);
	assert_null(table_id(7));
	assert_null(table_index(0));
	assert_int_equal(bf_vcpu_entry_index(entry), UINT32_MAX);
	assert_int_equal(add_vcpu(1, 7), -EEXIST);
	assert_int_equal(bf_vcpu_entry_remove(entry), -ENOENT);
	assert_int_equal(bf_vcpu_entry_remove_async(entry, NULL, NULL),
			 -ENOENT);
	bf_vcpu_entry_publish(entry);
	check_counts(1, 1);
	assert_ptr_equal(table_id(7), entry);
	assert_ptr_equal(table_index(0), entry);
}

static void test_index_in_order_of_publication(void **state)
{
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[0].entry, 1, &vcpu_ops, 0), 0);
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[1].entry, 2, &vcpu_ops, 0), 0);
	bf_vcpu_entry_publish(&cpus[1].entry);
	bf_vcpu_entry_publish(&cpus[0].entry);
	assert_ptr_equal(table_index(0), &cpus[1].entry);
	assert_ptr_equal(table_index(1), &cpus[0].entry);
}

/* So many reservations at once need a new leaf of the tree. */
static void test_many_creations_at_once(void **state)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		assert_int_equal(bf_vcpus_reserve(vcpus, &cpus[i].entry, i,
						  &vcpu_ops, 0),
				 0);
	check_counts(NR_VCPUS, 0);
	for (i = NR_VCPUS; i-- > 0;)
		bf_vcpu_entry_publish(&cpus[i].entry);
	check_counts(NR_VCPUS, NR_VCPUS);
	for (i = 0; i < NR_VCPUS; i++)
		assert_ptr_equal(table_index(NR_VCPUS - 1 - i), &cpus[i].entry);
}

static void test_cancel(void **state)
{
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[0].entry, 1, &vcpu_ops, 0), 0);
	bf_vcpu_entry_cancel(&cpus[0].entry);
	check_counts(0, 0);
	assert_int_equal(cpus[0].released, 0);
	assert_int_equal(add_vcpu(1, 1), 0);
	assert_ptr_equal(table_index(0), &cpus[1].entry);
}

static void test_limits_come_first(void **state)
{
	const struct bf_vcpus_config config = {.max_ids = 20, .max_vcpus = 3};

	table_configure(&config);
	assert_int_equal(add_vcpu(0, 20), -EINVAL);
	assert_int_equal(add_vcpu(0, (uint64_t)-1), -EINVAL);
	assert_int_equal(add_vcpu(0, 1ULL << 32), -EINVAL);
	add_some(2);
	assert_int_equal(add_vcpu(2, 10), -EEXIST);
	assert_int_equal(add_vcpu(2, 19), 0);
	/* The table is full, and checks that before the id. */
	assert_int_equal(add_vcpu(3, 10), -EINVAL);
	check_counts(3, 3);
	remove_cpu(1);
	/* A reserved vCPU counts for the limit. */
	assert_int_equal(
		bf_vcpus_reserve(vcpus, &cpus[3].entry, 12, &vcpu_ops, 0), 0);
	assert_int_equal(add_vcpu(4, 13), -EINVAL);
	bf_vcpu_entry_cancel(&cpus[3].entry);
	assert_int_equal(add_vcpu(4, 13), 0);
}

static void test_largest_limits(void **state)
{
	const struct bf_vcpus_config config = {
		.max_ids = UINT64_MAX,
		.max_vcpus = UINT64_MAX,
	};

	table_configure(&config);
	assert_int_equal(add_vcpu(0, 1ULL << 32), -EINVAL);
	assert_int_equal(add_vcpu(0, UINT32_MAX), 0);
}

static void test_unknown_flags(void **state)
{
	const struct bf_vcpus_config config = {.flags = 2};
	struct bf_vcpus *none = NULL;

	assert_int_equal(bf_vcpus_create(&config, &none), -EINVAL);
	assert_null(none);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[0].entry, 1, &vcpu_ops, 2),
			 -EINVAL);
	check_counts(0, 0);
}

static void test_reserved_word(void **state)
{
	const struct bf_vcpus_config config = {.reserved = {0, 0, 0, 1}};
	struct bf_vcpus *none = NULL;

	assert_int_equal(bf_vcpus_create(&config, &none), -EINVAL);
	assert_null(none);
}

/* A failed creation leaves the entry untouched, because it may be in use. */
static void test_failed_creation_leaves_entry(void **state)
{
	assert_int_equal(add_vcpu(0, 1), 0);
	assert_int_equal(add_vcpu(0, 1), -EEXIST);
	assert_ptr_equal(table_id(1), &cpus[0].entry);
	remove_cpu(0);
	assert_int_equal(cpus[0].released, 1);
}

static void test_indices_run_out(void **state)
{
	uint64_t end = vcpus->end;

	vcpus->end = UINT32_MAX - 1;
	assert_int_equal(add_vcpu(0, 1), 0);
	assert_ptr_equal(table_index(UINT32_MAX - 1), &cpus[0].entry);
	assert_int_equal(add_vcpu(1, 2), -ENOSPC);
	check_counts(1, 1);
	remove_cpu(0);
	vcpus->end = end;
}

/* Iterates over [first, last]; @expected has a digit for each vCPU to visit. */
static void check_visited(uint64_t first, uint64_t last, const char *expected)
{
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;
	char visited[64] = "";
	size_t count = 0;
	int idx = table_enter();

	bf_vcpus_iter_begin(&iter, vcpus, first, last);
	while ((entry = bf_vcpus_iter_next(&iter)))
		visited[count++] = (char)('0' + (vcpu_of(entry) - cpus));
	assert_null(bf_vcpus_iter_next(&iter));
	table_leave(idx);
	assert_string_equal(visited, expected);
}

static void test_iteration(void **state)
{
	check_visited(0, UINT64_MAX, "");
	add_some(6);
	check_visited(0, UINT64_MAX, "012345");
	remove_cpu(2);
	check_visited(0, UINT64_MAX, "01345");
	check_visited(0, 0, "0");
	check_visited(1, 3, "13");
	check_visited(2, 2, "");
	check_visited(4, 100, "45");
	check_visited(3, 2, "");
	check_visited(6, UINT64_MAX, "");
	check_visited(UINT64_MAX, UINT64_MAX, "");
	check_visited(UINT32_MAX, 1ULL << 40, "");
}

/* The iteration skips vCPUs that are removed, or created, after its start. */
static void test_iteration_beside_changes(void **state)
{
	struct bf_vcpu_entry *entry;
	struct bf_vcpus_iter iter;
	char visited[8] = "";
	size_t count = 0;
	int idx;

	add_some(5);
	remove_cpu(3);
	idx = table_enter();
	bf_vcpus_iter_begin(&iter, vcpus, 0, UINT64_MAX);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[5].entry, 1, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(bf_vcpus_by_index(vcpus, 3), &cpus[5].entry);
	assert_int_equal(add_vcpu(6, 2), 0);
	while ((entry = bf_vcpus_iter_next(&iter))) {
		visited[count++] = (char)('0' + (vcpu_of(entry) - cpus));
		if (entry == &cpus[1].entry)
			assert_int_equal(bf_vcpu_entry_remove_async(entry, NULL,
								    NULL),
					 0);
		if (entry == &cpus[0].entry)
			bf_vcpu_entry_remove_async(&cpus[2].entry, NULL, NULL);
	}
	table_leave(idx);
	assert_string_equal(visited, "014");
	check_visited(0, UINT64_MAX, "0546");
}

static void test_kick_all(void **state)
{
	add_some(4);
	remove_cpu(2);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 3);
	assert_int_equal(cpus[0].kicked, 1);
	assert_int_equal(cpus[2].kicked, 0);
	assert_int_equal(cpus[3].kicked, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(test_found_by_index_and_id),
		TABLE_TEST(test_out_of_range_is_null),
		TABLE_TEST(test_largest_id),
		TABLE_TEST(test_reserved_is_null),
		TABLE_TEST(test_index_in_order_of_publication),
		TABLE_TEST(test_many_creations_at_once),
		TABLE_TEST(test_cancel),
		TABLE_TEST(test_limits_come_first),
		TABLE_TEST(test_largest_limits),
		TABLE_TEST(test_unknown_flags),
		TABLE_TEST(test_reserved_word),
		TABLE_TEST(test_failed_creation_leaves_entry),
		TABLE_TEST(test_indices_run_out),
		TABLE_TEST(test_iteration),
		TABLE_TEST(test_iteration_beside_changes),
		TABLE_TEST(test_kick_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
