/* SPDX-License-Identifier: MIT */
/* One table, the vCPUs that a test puts into it, and what most tests ask. */
#ifndef BF_TESTS_VCPUS_FIXTURE_H
#define BF_TESTS_VCPUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vcpus/vcpus.h"
#include "vcpus_vcpu.h"

#define NR_VCPUS 600

extern struct bf_vcpus *vcpus;
extern struct vcpu cpus[NR_VCPUS];

int table_setup(void **state);
int table_teardown(void **state);

/* Another table than table_setup() made. */
void table_configure(const struct bf_vcpus_config *config);

/* A section of the table's domain, and lookups in one of their own. */
int table_enter(void);
void table_leave(int idx);
struct bf_vcpus_entry *table_index(uint64_t index);
struct bf_vcpus_entry *table_id(uint64_t id);

/* vCPU n of the array above. */
int add(unsigned int n, uint64_t id);
void remove_cpu(unsigned int n);

/* vCPUs 0 to count - 1, with the ids 10, 11, ... */
void add_some(unsigned int count);

void check_counts(unsigned int created, unsigned int online);

#define TABLE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, table_setup, table_teardown)

#endif
