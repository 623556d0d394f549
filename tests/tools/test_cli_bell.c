/* SPDX-License-Identifier: MIT */
/* Each bell of `belfry doorbell`: every ring is seen exactly once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tools/belfry/doorbell/bell.h"
#include "base/util.h"

/* More than an eventfd's reader gets one by one. */
#define COUNT 3000

static void check_bell(const struct bell_desc *desc, enum bf_engine engine)
{
	uint64_t ns = 0, events = 0;
	struct bell *bell;
	int i;

	assert_int_equal(bell_create(&bell, desc, engine), 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(bell_ring(bell, COUNT + i, &ns, &events), 0);
		assert_int_equal(events, COUNT + i);
		assert_true(ns > 0);
	}
	assert_int_equal(bell_ring_unheard(bell, COUNT, &ns, &events), 0);
	assert_int_equal(events, COUNT);
	bell_destroy(bell);
}

static void check_engine(enum bf_engine engine)
{
	static const struct bell_desc descs[] = {
		{BELL_DEVICE, false, 4}, {BELL_DEVICE, true, 4},
		{BELL_BELFRY, false, 4}, {BELL_BELFRY, true, 4},
		{BELL_BELFRY, false, 0}, {BELL_BELFRY, true, 0},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(descs); i++)
		check_bell(&descs[i], engine);
}

/* Is there KVM here? */
static bool have_kvm(void)
{
	const struct bf_vm_config config = {.engine = BF_ENGINE_KVM};
	struct bf_vm *vm;

	if (bf_vm_create(&vm, &config))
		return false;
	bf_vm_destroy(vm);
	return true;
}

static void test_trap(void **state)
{
	(void)state;
	check_engine(BF_ENGINE_TRAP);
}

static void test_kvm(void **state)
{
	static const struct bell_desc descs[] = {
		{BELL_KERNEL, false, 4},
		{BELL_KERNEL, true, 4},
		{BELL_KERNEL, false, 0},
	};
	size_t i;

	(void)state;
	if (!have_kvm())
		skip();
	check_engine(BF_ENGINE_KVM);
	for (i = 0; i < ARRAY_SIZE(descs); i++)
		check_bell(&descs[i], BF_ENGINE_KVM);
}

/* A bell that answers another length than the guest rings is an error. */
static void test_unanswered(void **state)
{
	const struct bell_desc desc = {BELL_BELFRY, false, 8};
	uint64_t ns, events;
	struct bell *bell;

	(void)state;
	assert_int_equal(bell_create(&bell, &desc, BF_ENGINE_TRAP), 0);
	assert_int_not_equal(bell_ring(bell, COUNT, &ns, &events), 0);
	assert_int_equal(events, 0);
	bell_destroy(bell);
}

/* Nor is a kernel doorbell one where there is no kernel's. */
static void test_not_the_kernels(void **state)
{
	const struct bell_desc desc = {BELL_KERNEL, true, 4};
	uint64_t ns, events;
	struct bell *bell;

	(void)state;
	assert_int_equal(bell_create(&bell, &desc, BF_ENGINE_TRAP), 0);
	assert_int_not_equal(bell_ring(bell, COUNT, &ns, &events), 0);
	bell_destroy(bell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trap),
		cmocka_unit_test(test_kvm),
		cmocka_unit_test(test_unanswered),
		cmocka_unit_test(test_not_the_kernels),
	};

	return cmocka_run_group_tests_name("cli_bell", tests, NULL, NULL);
}
