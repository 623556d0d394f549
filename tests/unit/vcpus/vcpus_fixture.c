// SPDX-License-Identifier: MIT
#include <string.h>

#include "vcpus_fixture.h"

struct bf_vcpus *vcpus;
struct vcpu cpus[NR_VCPUS];

int table_setup(void **state)
{
	memset(cpus, 0, sizeof(cpus));
	return bf_vcpus_create(NULL, &vcpus);
}

int table_teardown(void **state)
{
	bf_vcpus_destroy(vcpus);
	vcpus = NULL;
	return 0;
}

void table_configure(const struct bf_vcpus_config *config)
{
	bf_vcpus_destroy(vcpus);
	assert_int_equal(bf_vcpus_create(config, &vcpus), 0);
}

int table_enter(void)
{
	return srcu_read_lock(bf_vcpus_srcu(vcpus));
}

void table_leave(int idx)
{
	srcu_read_unlock(bf_vcpus_srcu(vcpus), idx);
}

struct bf_vcpu_entry *table_index(uint64_t index)
{
	int idx = table_enter();
	struct bf_vcpu_entry *entry = bf_vcpus_by_index(vcpus, index);

	table_leave(idx);
	return entry;
}

struct bf_vcpu_entry *table_id(uint64_t id)
{
	int idx = table_enter();
	struct bf_vcpu_entry *entry = bf_vcpus_by_id(vcpus, id);

	table_leave(idx);
	return entry;
}

int add_vcpu(unsigned int n, uint64_t id)
{
	return bf_vcpus_add(vcpus, &cpus[n].entry, id, &vcpu_ops, 0);
}

void add_some(unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		assert_int_equal(add_vcpu(i, 10 + i), 0);
}

void remove_cpu(unsigned int n)
{
	assert_int_equal(bf_vcpu_entry_remove(&cpus[n].entry), 0);
}

void check_counts(unsigned int created, unsigned int online)
{
	assert_int_equal(bf_vcpus_created(vcpus), created);
	assert_int_equal(bf_vcpus_online(vcpus), online);
}
