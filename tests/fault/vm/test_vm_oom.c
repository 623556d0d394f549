// SPDX-License-Identifier: MIT
/*
 * A VM without memory, on both engines.  Each allocation of a creation fails in
 * turn: the creation fails and leaves nothing.  Removals need no memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/vm.h"
#include "testing/trap/trap.h"

#define PAGE 4096ULL

static char memory[2 * PAGE] __attribute__((aligned(PAGE)));
static struct bf_vm_config config;
static struct bf_vm *vm;
static long live;

static int setup_kvm(void **state)
{
	config.engine = NULL;
	return 0;
}

static int setup_trap(void **state)
{
	config.engine = &bf_trap_engine;
	return 0;
}

static void need_engine(void)
{
	if (!config.engine && access("/dev/kvm", R_OK | W_OK))
		skip();
}

/* Fails the first allocation, then the second, until the creation succeeds. */
static void create_vm(void)
{
	int n, ret = -ENOMEM;

	/* The first VM makes the allocations that a process makes once. */
	assert_int_equal(bf_vm_create(&config, &vm), 0);
	bf_vm_destroy(vm);
	live = alloc_live();
	for (n = 1; ret; n++) {
		alloc_fail_at(n);
		ret = bf_vm_create(&config, &vm);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(alloc_live(), live);
		}
	}
	alloc_fail_at(0);
	assert_true(n > 5);
}

/* Does not count memory: after a failure the table keeps its new nodes. */
static struct bf_vcpu *create_vcpu(unsigned long id)
{
	const struct bf_vcpus *vcpus = bf_vm_vcpus(vm);
	const uint32_t created = bf_vcpus_created(vcpus);
	struct bf_vcpu *vcpu = NULL;
	int n, ret = -ENOMEM;

	for (n = 1; ret; n++) {
		alloc_fail_at(n);
		ret = bf_vcpu_create(vm, id, &vcpu);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_null(vcpu);
			assert_int_equal(bf_vcpus_created(vcpus), created);
			assert_int_equal(bf_vcpus_online(vcpus), created);
		}
	}
	alloc_fail_at(0);
	assert_int_equal(bf_vcpus_online(vcpus), created + 1);
	return vcpu;
}

static void add_slot(uint32_t slot)
{
	const struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = slot * PAGE,
		.memory_size = PAGE,
		.userspace_addr = (uintptr_t)memory + slot * PAGE,
	};
	int n, ret = -ENOMEM;

	for (n = 1; ret; n++) {
		alloc_fail_at(n);
		ret = bf_memslots_set(bf_vm_memslots(vm), &region);
		if (ret)
			assert_int_equal(ret, -ENOMEM);
	}
	alloc_fail_at(0);
}

static bool has_memory(uint64_t gpa)
{
	char byte;

	return bf_memslots_read(bf_vm_memslots(vm), 0, gpa, &byte, 1) == 1;
}

/* No removal can fail. */
static void remove_without_memory(struct bf_vcpu *first, struct bf_vcpu *second)
{
	alloc_fail_all(true);
	bf_vcpu_destroy(first);
	assert_int_equal(bf_vcpu_entry_remove_async(bf_vcpu_get_entry(second),
						    NULL, NULL),
			 0);
	assert_int_equal(bf_memslots_remove(bf_vm_memslots(vm), 0), 0);
	assert_false(has_memory(0));
	assert_true(has_memory(PAGE));
	bf_vm_destroy(vm);
	alloc_fail_all(false);
}

static void test_out_of_memory(void **state)
{
	struct bf_vcpu *first, *second;

	need_engine();
	create_vm();
	add_slot(0);
	add_slot(1);
	first = create_vcpu(0);
	second = create_vcpu(300);
	create_vcpu(2);
	remove_without_memory(first, second);
	assert_int_equal(alloc_live(), live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_out_of_memory, setup_kvm,
						NULL),
		cmocka_unit_test_setup_teardown(test_out_of_memory, setup_trap,
						NULL),
	};

	return cmocka_run_group_tests_name("vm_oom", tests, NULL, NULL);
}
