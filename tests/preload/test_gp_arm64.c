/* SPDX-License-Identifier: MIT */
/* The calls of aarch64 that leave a grace period, on each processor. */
#include <errno.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "preload/common/process.h"
#include "preload/record/internal.h"

#define MS UINT64_C(1000000)

static const struct record_who first_vm = {1, 0};

static int setup(void **state)
{
	void *map = mmap(NULL, recording_size(1), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return -1;
	recording = map;
	recording_chunks = 1;
	record_forked();
	return 0;
}

static int teardown(void **state)
{
	munmap(recording, recording_size(1));
	recording = NULL;
	return 0;
}

static uint64_t now;

static void note_call(uint32_t key)
{
	now += MS;
	pending_gp_note_call(1, key, now, now, 0);
}

/* The grace periods that a stalled change of the memory slots waits for. */
static uint32_t gps_of_stall(void)
{
	uint64_t start = now + 10;

	now += 6 * MS;
	return pending_gp_note_call(1, KVM_SET_USER_MEMORY_REGION, start, now,
				    0);
}

static void test_redistributors_of_vcpus(void **state)
{
	note_call(STATS_CREATE_VGIC);
	note_call(KVM_CREATE_VCPU);
	assert_int_equal(gps_of_stall(), 0);
	note_call(STATS_PLACE_REDIST);
	assert_int_equal(gps_of_stall(), 1u << GP_VGIC_ADDRESS);
	note_call(KVM_CREATE_VCPU);
	assert_int_equal(gps_of_stall(), 1u << GP_VGIC_VCPU);
}

static void test_address_before_vcpus(void **state)
{
	note_call(STATS_CREATE_VGIC);
	note_call(STATS_PLACE_REDIST);
	assert_int_equal(gps_of_stall(), 0);
	note_call(KVM_CREATE_VCPU);
	assert_int_equal(gps_of_stall(), 1u << GP_VGIC_VCPU);
}

/* A call that failed left nothing, and the VM has no address. */
static void test_failed_calls(void **state)
{
	pending_gp_note_call(1, STATS_PLACE_REDIST, now, now, -EEXIST);
	note_call(KVM_CREATE_VCPU);
	assert_int_equal(gps_of_stall(), 0);
	pending_gp_note_call(1, STATS_PLACE_ITS, now, now, -EEXIST);
	assert_int_equal(gps_of_stall(), 0);
}

static void test_its(void **state)
{
	note_call(STATS_PLACE_ITS);
	assert_int_equal(gps_of_stall(), 1u << GP_VGIC_ADDRESS);
	note_call(KVM_SET_DEVICE_ATTR);
	assert_int_equal(gps_of_stall(), 0);
}

/* The distributor; a VM without a vGIC has none. */
static void run_first(uint32_t vgic, uint32_t gps)
{
	if (vgic)
		note_call(vgic);
	recording_begin_run(first_vm);
	recording_end_run();
	now = recording->vms[0].first_run_ns;
	assert_int_equal(gps_of_stall(), gps);
	recording_begin_run(first_vm);
	recording_end_run();
	assert_int_equal(gps_of_stall(), 0);
}

static void test_first_run_with_vgic(void **state)
{
	run_first(STATS_CREATE_VGIC, 1u << GP_VGIC_RUN);
}

static void test_first_run_with_irqchip(void **state)
{
	run_first(KVM_CREATE_IRQCHIP, 1u << GP_VGIC_RUN);
}

static void test_first_run_without_vgic(void **state)
{
	run_first(0, 0);
}

#define WITH_RECORDING(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RECORDING(test_redistributors_of_vcpus),
		WITH_RECORDING(test_address_before_vcpus),
		WITH_RECORDING(test_failed_calls),
		WITH_RECORDING(test_its),
		WITH_RECORDING(test_first_run_with_vgic),
		WITH_RECORDING(test_first_run_with_irqchip),
		WITH_RECORDING(test_first_run_without_vgic),
	};

	process_adopt();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
