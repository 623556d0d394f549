// SPDX-License-Identifier: MIT
/*
 * A VM without memory, on both engines: each allocation fails in turn, what
 * was being made is not there then, and what goes needs none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fault/alloc_fault.h"
#include "belfry/vm.h"

#define PAGE 4096ULL

static char memory[2 * PAGE] __attribute__((aligned(PAGE)));
static struct bf_vm_config config;
static struct bf_vm *vm;
static long live;

static int setup_kvm(void **state)
{
	config.engine = BF_ENGINE_KVM;
	return 0;
}

static int setup_trap(void **state)
{
	config.engine = BF_ENGINE_TRAP;
	return 0;
}

static void need_engine(void)
{
	if (config.engine == BF_ENGINE_KVM && access("/dev/kvm", R_OK | W_OK))
		skip();
}

/* Each try with one allocation more, until none is missing. */
static void create_vm(void)
{
	int n, ret = -ENOMEM;

	/* What the process allocates once. */
	assert_int_equal(bf_vm_create(&vm, &config), 0);
	bf_vm_destroy(vm);
	live = alloc_live();
	for (n = 1; ret; n++) {
		alloc_fail_at(n);
		ret = bf_vm_create(&vm, &config);
		if (ret) {
			assert_int_equal(ret, -ENOMEM);
			assert_int_equal(alloc_live(), live);
		}
	}
	alloc_fail_at(0);
	assert_true(n > 5);
}

/* The table keeps the nodes that it got, KVM a vCPU that could not be mapped. */
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

/* Nothing that is taken away can fail. */
static void take_away(struct bf_vcpu *first, struct bf_vcpu *second)
{
	alloc_fail_all(true);
	bf_vcpu_destroy(first);
	assert_int_equal(bf_vcpus_remove_async(bf_vcpu_entry(second)), 0);
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
	take_away(first, second);
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
