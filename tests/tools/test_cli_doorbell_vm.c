/* SPDX-License-Identifier: MIT */
/* The VMs of `belfry doorbell`: each signal arrives exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "guests/guests.h"
#include "testing/trap/optional.h"
#include "tools/belfry/doorbell/doorbell_vm.h"

/* So many that one read of the eventfd often returns several. */
#define COUNT 3000

static void check_doorbell(const struct doorbell_desc *desc,
			   const struct bf_engine_ops *engine)
{
	uint64_t ns = 0, events = 0;
	struct doorbell_vm *vm;
	int i;

	if (desc->pio && !guest_write_pio4.size)
		return;
	assert_int_equal(doorbell_vm_create(&vm, desc, engine), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(
			doorbell_vm_signal(vm, COUNT + i, &ns, &events), 0);
		assert_int_equal(events, COUNT + i);
		assert_true(ns > 0);
	}
	assert_int_equal(doorbell_vm_signal_unwatched(vm, COUNT, &ns, &events),
			 0);
	assert_int_equal(events, COUNT);
	doorbell_vm_destroy(vm);
}

static void check_engine(const struct bf_engine_ops *engine)
{
	static const struct doorbell_desc descs[] = {
		{DOORBELL_DEVICE, false, 4}, {DOORBELL_DEVICE, true, 4},
		{DOORBELL_BELFRY, false, 4}, {DOORBELL_BELFRY, true, 4},
		{DOORBELL_BELFRY, false, 0}, {DOORBELL_BELFRY, true, 0},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(descs); i++)
		check_doorbell(&descs[i], engine);
}

static bool have_kvm(void)
{
	struct bf_vm *vm;

	if (bf_vm_create(NULL, &vm))
		return false;
	bf_vm_destroy(vm);
	return true;
}

static void test_signals_arrive_with_trap_engine(void **state)
{
	(void)state;
	if (!trap_engine)
		skip();
	check_engine(trap_engine);
}

static void test_signals_arrive_with_kvm(void **state)
{
	static const struct doorbell_desc descs[] = {
		{DOORBELL_KERNEL, false, 4},
		{DOORBELL_KERNEL, true, 4},
		{DOORBELL_KERNEL, false, 0},
	};
	size_t i;

	(void)state;
	if (!have_kvm())
		skip();
	check_engine(NULL);
	for (i = 0; i < ARRAY_SIZE(descs); i++)
		check_doorbell(&descs[i], NULL);
}

/* A doorbell of 8 bytes does not match the guest's writes of 4 bytes. */
static void test_unmatched_write_fails(void **state)
{
	const struct doorbell_desc desc = {DOORBELL_BELFRY, false, 8};
	uint64_t ns, events;
	struct doorbell_vm *vm;

	(void)state;
	if (!trap_engine)
		skip();
	assert_int_equal(doorbell_vm_create(&vm, &desc, trap_engine), 0);
	assert_int_not_equal(doorbell_vm_signal(vm, COUNT, &ns, &events), 0);
	assert_int_equal(events, 0);
	doorbell_vm_destroy(vm);
}

/* The trap engine has no kernel that could take the write. */
static void test_kernel_doorbell_needs_kvm(void **state)
{
	const struct doorbell_desc desc = {DOORBELL_KERNEL, true, 4};
	uint64_t ns, events;
	struct doorbell_vm *vm;

	(void)state;
	if (!trap_engine)
		skip();
	assert_int_equal(doorbell_vm_create(&vm, &desc, trap_engine), 0);
	assert_int_not_equal(doorbell_vm_signal(vm, COUNT, &ns, &events), 0);
	doorbell_vm_destroy(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals_arrive_with_trap_engine),
		cmocka_unit_test(test_signals_arrive_with_kvm),
		cmocka_unit_test(test_unmatched_write_fails),
		cmocka_unit_test(test_kernel_doorbell_needs_kvm),
	};

	return cmocka_run_group_tests_name("cli_doorbell_vm", tests, NULL,
					   NULL);
}
