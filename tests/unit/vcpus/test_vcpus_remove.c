// SPDX-License-Identifier: MIT
/* The vCPU table: removal, release, and reuse of ids and indices. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/flags.h"
#include "vcpus_fixture.h"

static void test_removal_leaves_a_hole(void **state)
{
	add_some(3);
	remove_cpu(1);
	assert_int_equal(cpus[1].released, 1);
	check_counts(2, 2);
	assert_null(table_index(1));
	assert_null(table_id(11));
	assert_ptr_equal(table_index(2), &cpus[2].entry);
	/* A new vCPU may take the id; it gets another index. */
	assert_int_equal(add_vcpu(1, 11), 0);
	assert_null(table_index(1));
	assert_ptr_equal(table_index(3), &cpus[1].entry);
	assert_ptr_equal(table_id(11), &cpus[1].entry);
}

static void test_index_reused_by_flag(void **state)
{
	add_some(4);
	remove_cpu(1);
	remove_cpu(2);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[4].entry, 1, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(table_index(2), &cpus[4].entry);
	assert_int_equal(add_vcpu(5, 2), 0);
	assert_ptr_equal(table_index(4), &cpus[5].entry);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[6].entry, 3, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(table_index(1), &cpus[6].entry);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[7].entry, 4, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_ptr_equal(table_index(5), &cpus[7].entry);
}

static void test_index_reused_by_table(void **state)
{
	const struct bf_vcpus_config config = {.flags = BF_VCPUS_REUSE_INDEX};
	unsigned int i;

	table_configure(&config);
	add_some(2);
	for (i = 0; i < 1000; i++) {
		remove_cpu(0);
		assert_int_equal(add_vcpu(0, i + 100), 0);
		assert_ptr_equal(table_index(0), &cpus[0].entry);
	}
	assert_int_equal(vcpus->end, 2);
}

/* Id and index of a removed vCPU stay taken until its readers have left. */
static void test_reader_keeps_the_vcpu_it_found(void **state)
{
	struct bf_vcpu_entry *entry;
	int idx;

	add_some(1);
	idx = table_enter();
	entry = bf_vcpus_by_id(vcpus, 10);
	assert_int_equal(bf_vcpu_entry_remove_async(entry, NULL, NULL), 0);
	assert_int_equal(bf_vcpu_entry_remove_async(entry, NULL, NULL),
			 -ENOENT);
	assert_null(bf_vcpus_by_id(vcpus, 10));
	assert_null(bf_vcpus_by_index(vcpus, 0));
	check_counts(1, 0);
	assert_int_equal(add_vcpu(1, 10), -EEXIST);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[1].entry, 11, &vcpu_ops,
				      BF_VCPUS_REUSE_INDEX),
			 0);
	assert_int_equal(bf_vcpu_entry_index(&cpus[1].entry), 1);
	usleep(2000);
	assert_int_equal(get(&cpus[0].released), 0);
	table_leave(idx);
	wait_for(&cpus[0].released, 1);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	check_counts(1, 1);
	assert_int_equal(add_vcpu(2, 10), 0);
}

static void note_done(void *released)
{
	/* The table calls done after the release function. */
	set(released, get(released) == 1 ? 2 : -1);
}

static void test_done_follows_release(void **state)
{
	int *released = &cpus[0].released;
	int idx;

	add_some(1);
	idx = table_enter();
	assert_int_equal(bf_vcpu_entry_remove_async(&cpus[0].entry, note_done,
						    released),
			 0);
	usleep(2000);
	assert_int_equal(get(released), 0);
	table_leave(idx);
	wait_for(released, 2);
}

static int reader_in, reader_out;

static void *reader_main(void *unused)
{
	int idx = table_enter();
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(vcpus, 10);

	set(&reader_in, 1);
	usleep(20000);
	assert_int_equal(get(&vcpu_of(entry)->released), 0);
	set(&reader_out, 1);
	table_leave(idx);
	return NULL;
}

static void test_remove_waits_for_readers(void **state)
{
	pthread_t reader;

	add_some(1);
	assert_int_equal(pthread_create(&reader, NULL, reader_main, NULL), 0);
	wait_for(&reader_in, 1);
	remove_cpu(0);
	assert_int_equal(get(&reader_out), 1);
	assert_int_equal(cpus[0].released, 1);
	pthread_join(reader, NULL);
}

/* In the release function the id is free, and the entry may be used again. */
static void add_again(struct bf_vcpu_entry *entry)
{
	struct vcpu *cpu = vcpu_of(entry);

	if (cpu->released++ == 0)
		assert_int_equal(bf_vcpus_add(vcpus, entry,
					      bf_vcpu_entry_id(entry),
					      entry->ops, 0),
				 0);
}

static void test_release_may_create(void **state)
{
	static const struct bf_vcpu_entry_ops ops = {.release = add_again};
	struct bf_vcpu_entry *entry = &cpus[0].entry;

	assert_int_equal(bf_vcpus_add(vcpus, entry, 5, &ops, 0), 0);
	assert_int_equal(bf_vcpu_entry_remove(entry), 0);
	assert_ptr_equal(table_id(5), entry);
	assert_int_equal(bf_vcpu_entry_remove_async(entry, NULL, NULL), 0);
	srcu_barrier(bf_vcpus_srcu(vcpus));
	assert_int_equal(cpus[0].released, 2);
	check_counts(0, 0);
}

static void test_without_callbacks(void **state)
{
	static const struct bf_vcpu_entry_ops none;

	assert_int_equal(bf_vcpus_add(vcpus, &cpus[0].entry, 1, NULL, 0), 0);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[1].entry, 2, &none, 0), 0);
	assert_int_equal(add_vcpu(2, 3), 0);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 1);
	remove_cpu(0);
	check_counts(2, 2);
}

static void release_late(struct bf_vcpu_entry *entry)
{
	usleep(20000);
	vcpu_released(entry);
}

/* Waits for the removal in progress as well. */
static void test_destroy_releases_the_rest(void **state)
{
	static const struct bf_vcpu_entry_ops late = {.release = release_late};

	add_some(4);
	assert_int_equal(bf_vcpus_add(vcpus, &cpus[4].entry, 1, &late, 0), 0);
	remove_cpu(1);
	assert_int_equal(bf_vcpu_entry_remove_async(&cpus[4].entry, NULL, NULL),
			 0);
	bf_vcpus_destroy(vcpus);
	vcpus = NULL;
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(cpus[i].released, 1);
	assert_int_equal(cpus[5].released, 0);
}

static void check_domain(struct srcu_struct *domain)
{
	const struct bf_vcpus_config config = {.srcu = domain};

	table_configure(&config);
	assert_ptr_equal(bf_vcpus_srcu(vcpus), domain);
	add_some(3);
	assert_int_equal(bf_vcpus_kick_all(vcpus), 3);
	assert_int_equal(bf_vcpus_lock_all(vcpus), 0);
	bf_vcpus_unlock_all(vcpus);
	assert_int_equal(bf_vcpu_entry_remove_async(&cpus[0].entry, NULL, NULL),
			 0);
	remove_cpu(1);
	bf_vcpus_destroy(vcpus);
	vcpus = NULL;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(cpus[i].released, 1);
}

static void test_callers_domain(void **state)
{
	struct srcu_struct domain;

	assert_int_equal(init_srcu_struct(&domain), 0);
	check_domain(&domain);
	assert_int_equal(cleanup_srcu_struct(&domain), 0);
	memset(cpus, 0, sizeof(cpus));
	assert_int_equal(init_srcu_struct_fast(&domain), 0);
	check_domain(&domain);
	assert_int_equal(cleanup_srcu_struct(&domain), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TABLE_TEST(test_removal_leaves_a_hole),
		TABLE_TEST(test_index_reused_by_flag),
		TABLE_TEST(test_index_reused_by_table),
		TABLE_TEST(test_reader_keeps_the_vcpu_it_found),
		TABLE_TEST(test_done_follows_release),
		TABLE_TEST(test_remove_waits_for_readers),
		TABLE_TEST(test_release_may_create),
		TABLE_TEST(test_without_callbacks),
		TABLE_TEST(test_destroy_releases_the_rest),
		TABLE_TEST(test_callers_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
