/* SPDX-License-Identifier: MIT */
/* A table for each test, vCPUs to put into it, and helpers. */
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

/* Replaces the table of table_setup() by one with this config. */
void table_configure(const struct bf_vcpus_config *config);

/* Enter and leave a section of the table's domain. */
int table_enter(void);
void table_leave(int idx);

/* Look up in a section of their own. */
struct bf_vcpu_entry *table_index(uint64_t index);
struct bf_vcpu_entry *table_id(uint64_t id);

/* Adds or removes vCPU n of the array above. */
int add_vcpu(unsigned int n, uint64_t id);
void remove_cpu(unsigned int n);

/* Adds vCPUs 0 to count - 1, with ids from 10 on. */
void add_some(unsigned int count);

void check_counts(unsigned int created, unsigned int online);

#define TABLE_TEST(function) \
	cmocka_unit_test_setup_teardown(function, table_setup, table_teardown)

#endif
