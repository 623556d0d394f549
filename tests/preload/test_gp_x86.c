/* SPDX-License-Identifier: MIT */
/* The calls of x86-64 that leave a grace period, or wait for one. */
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "preload/record/internal.h"

static void test_irqchip(void **state)
{
	struct recorded_vm vm = {0};

	assert_int_equal(gp_arch_of(&vm, KVM_CREATE_IRQCHIP), GP_IRQCHIP);
	assert_int_equal(gp_arch_of(&vm, KVM_CREATE_PIT2), GP_PIT);
	assert_int_equal(gp_arch_of(&vm, KVM_CREATE_VCPU), -1);
	assert_int_equal(gp_arch_of(&vm, KVM_RUN), -1);
}

static void test_filters_wait(void **state)
{
	assert_true(gp_arch_waits(KVM_SET_PMU_EVENT_FILTER));
	assert_true(gp_arch_waits(KVM_X86_SET_MSR_FILTER));
	assert_false(gp_arch_waits(KVM_CREATE_IRQCHIP));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_irqchip),
		cmocka_unit_test(test_filters_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
