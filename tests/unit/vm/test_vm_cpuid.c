// SPDX-License-Identifier: MIT
/* The CPUID of a vCPU of x86-64 that bf_vcpu_boot64() starts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "vm_guest_fixture.h"

/* EDX of leaf 0x80000001 of the vCPU's CPUID; the kernel may add leaves. */
static uint32_t extended_features(void)
{
	union {
		struct kvm_cpuid2 head;
		char space[8192];
	} cpuid = {.space = {0}};

	cpuid.head.nent = 64;
	assert_int_equal(ioctl(bf_vcpu_fd(vcpu.vcpu), KVM_GET_CPUID2, &cpuid),
			 0);
	for (uint32_t i = 0; i < cpuid.head.nent; i++)
		if (cpuid.head.entries[i].function == 0x80000001)
			return cpuid.head.entries[i].edx;
	return 0;
}

#define LONG_MODE (1U << 29)

/* Since Linux 7.3 KVM refuses long mode to a vCPU whose CPUID lacks it. */
static void test_cpuid_has_long_mode(void **state)
{
	need_vm();
	assert_int_equal(extended_features(), 0);
	fixture_boot(&vcpu, &guest_write_mmio2, FIXTURE_WINDOW, 1, 0);
	assert_true(extended_features() & LONG_MODE);
}

/* The caller may have set a CPUID of its own, and may boot again. */
static void test_cpuid_of_caller_stays(void **state)
{
	union {
		struct kvm_cpuid2 head;
		char space[64];
	} cpuid = {.space = {0}};

	need_vm();
	cpuid.head.nent = 1;
	cpuid.head.entries[0].function = 0x80000001;
	cpuid.head.entries[0].edx = LONG_MODE | 1;
	assert_int_equal(ioctl(bf_vcpu_fd(vcpu.vcpu), KVM_SET_CPUID2, &cpuid),
			 0);
	for (int i = 0; i < 2; i++) {
		fixture_boot(&vcpu, &guest_write_mmio2, FIXTURE_WINDOW, 0, 0);
		assert_int_equal(extended_features(), LONG_MODE | 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		KVM_TEST(test_cpuid_has_long_mode),
		KVM_TEST(test_cpuid_of_caller_stays),
	};

	return cmocka_run_group_tests_name("vm_cpuid", tests, NULL, NULL);
}
