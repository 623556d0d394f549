// SPDX-License-Identifier: MIT
/* Writes of a guest, on both engines: to doorbells, to devices, to neither. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "testing/trap/optional.h"
#include "vm_guest_fixture.h"

/* A write that nothing on the bus takes exits to the caller with its data. */
static void test_unclaimed_write_exits(void **state)
{
	struct kvm_run *run;

	need_vm();
	run = bf_vcpu_page(vcpu.vcpu);
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	fixture_boot(&vcpu, &guest_write_mmio2, FIXTURE_WINDOW, 1, 0xbeef);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, FIXTURE_WINDOW);
	assert_int_equal(run->mmio.len, 2);
	assert_int_equal(run->mmio.is_write, 1);
	assert_memory_equal(run->mmio.data, "\xef\xbe", 2);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
	assert_int_equal(taken(), 0);
}

static void test_unclaimed_port_exits(void **state)
{
	struct kvm_run *run;

	need_ports();
	run = bf_vcpu_page(vcpu.vcpu);
	fixture_boot(&vcpu, &guest_write_pio1, FIXTURE_PORT, 1, 0x42);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_IO);
	assert_int_equal(run->io.port, FIXTURE_PORT);
	assert_int_equal(run->io.size, 1);
	assert_int_equal(run->io.direction, KVM_EXIT_IO_OUT);
	assert_int_equal(*((char *)run + run->io.data_offset), 0x42);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
}

static void test_device_gets_every_write(void **state)
{
	struct adder mmio = {0};

	need_vm();
	add_adder(&mmio, BF_IO_MMIO, FIXTURE_WINDOW);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW + 4, WRITES, 3);
	assert_int_equal(mmio.sum, 3 * WRITES);
	assert_int_equal(mmio.writes, WRITES);
	assert_ptr_equal(mmio.source, vcpu.vcpu);
}

static void test_device_gets_every_port_write(void **state)
{
	struct adder pio = {0};

	need_ports();
	add_adder(&pio, BF_IO_PIO, FIXTURE_PORT);
	guest_write(&guest_write_pio4, FIXTURE_PORT, WRITES, 5);
	assert_int_equal(pio.sum, 5 * WRITES);
	assert_ptr_equal(pio.source, vcpu.vcpu);
}

static uint64_t fill_values(void)
{
	uint32_t *values = fixture_values(&fixture);
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < FIXTURE_VALUES; i++)
		sum += values[i] = 1000 + i;
	return sum;
}

static void test_string_reaches_device_in_full(void **state)
{
	struct adder pio = {0};
	uint64_t sum;

	need_ports();
	sum = fill_values();
	add_adder(&pio, BF_IO_PIO, FIXTURE_PORT);
	guest_write(&guest_write_pio_string, FIXTURE_PORT, 2 * FIXTURE_VALUES,
		    0);
	assert_int_equal(pio.writes, 2 * FIXTURE_VALUES);
	assert_int_equal(pio.sum, 2 * sum);
}

static void test_string_signals_for_each_element(void **state)
{
	need_ports();
	fill_values();
	assert_int_equal(assign(FIXTURE_PORT, 4, KVM_IOEVENTFD_FLAG_PIO), 0);
	guest_write(&guest_write_pio_string, FIXTURE_PORT, 3 * FIXTURE_VALUES,
		    0);
	assert_int_equal(taken(), 3 * FIXTURE_VALUES);
}

static void test_unclaimed_string_exits_in_full(void **state)
{
	struct kvm_run *run;
	uint32_t count = 0;

	need_ports();
	run = bf_vcpu_page(vcpu.vcpu);
	fill_values();
	fixture_boot(&vcpu, &guest_write_pio_string, FIXTURE_PORT,
		     FIXTURE_VALUES, 0);
	while (fixture_run(&vcpu) == KVM_EXIT_IO) {
		assert_memory_equal((char *)run + run->io.data_offset,
				    fixture_values(&fixture) + count,
				    4 * run->io.count);
		count += run->io.count;
	}
	assert_int_equal(run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(count, FIXTURE_VALUES);
}

static void test_bad_config(void **state)
{
	struct bf_vm_config config = {.kvm_path = "/nonexistent/kvm"};
	struct bf_vm *vm = NULL;

	assert_int_equal(bf_vm_create(&config, &vm), -ENOENT);
	config.kvm_path = "/dev/null";
	assert_int_equal(bf_vm_create(&config, &vm), -ENOTTY);
	config.policy = (enum bf_policy)99;
	assert_int_equal(bf_vm_create(&config, &vm), -EINVAL);
	assert_null(vm);
}

static void test_reserved_words(void **state)
{
	struct bf_vm_config config = {.engine = trap_engine};
	struct bf_vcpu_boot64_desc boot = {0};
	struct bf_vm *vm = NULL;

	config.reserved[3] = 1;
	assert_int_equal(bf_vm_create(&config, &vm), -EINVAL);
	assert_null(vm);
	vm_setup_trap(state);
	need_vm();
	boot.reserved[0] = 1;
	assert_int_equal(bf_vcpu_boot64(vcpu.vcpu, &boot), -EINVAL);
	vm_teardown(state);
}

static void test_page_size(void **state)
{
	need_vm();
	assert_in_range(bf_vcpu_page_size(vcpu.vcpu), sizeof(struct kvm_run),
			1 << 20);
}

/* The ring gets the writes to a zone that the kernel has. */
/* The front's thread gives a zone to the kernel, after a vCPU began to run. */
static void run_until_zone_installed(void)
{
	struct adder adder = {0};
	struct bf_front_stats stats;

	add_adder(&adder, BF_IO_MMIO, FIXTURE_WINDOW + 8);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW + 8, 1, 7);
	do {
		usleep(1000);
		bf_front_get_stats(bf_vm_front(fixture.vm), &stats);
	} while (!stats.zones_installed);
}

static void test_coalesced_ring(void **state)
{
	const struct kvm_coalesced_mmio_zone zone = {
		.addr = FIXTURE_WINDOW,
		.size = 8,
	};
	const struct kvm_coalesced_mmio_ring *ring;
	uint32_t entries = 0, i;

	need_vm();
	ring = bf_vcpu_coalesced_ring(vcpu.vcpu, &entries);
	assert_non_null(ring);
	assert_in_range((uintptr_t)ring, (uintptr_t)bf_vcpu_page(vcpu.vcpu),
			(uintptr_t)bf_vcpu_page(vcpu.vcpu) +
				bf_vcpu_page_size(vcpu.vcpu));
	assert_int_equal(bf_front_zone(bf_vm_front(fixture.vm),
				       KVM_REGISTER_COALESCED_MMIO, &zone),
			 0);
	run_until_zone_installed();
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, 3, 7);
	assert_int_equal((ring->last - ring->first) % entries, 3);
	for (i = ring->first; i != ring->last; i = (i + 1) % entries) {
		assert_int_equal(ring->coalesced_mmio[i].phys_addr,
				 FIXTURE_WINDOW);
		assert_memory_equal(ring->coalesced_mmio[i].data, "\7\0\0\0",
				    4);
	}
}

static void test_no_coalesced_ring(void **state)
{
	uint32_t entries = 5;

	need_vm();
	assert_null(bf_vcpu_coalesced_ring(vcpu.vcpu, &entries));
	assert_int_equal(entries, 5);
}

static void test_vcpu_ids(void **state)
{
	struct bf_vcpu *other;

	need_vm();
	assert_int_equal(bf_vcpu_create(fixture.vm, 0, &other), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_config),
		BOTH(test_unclaimed_write_exits),
		BOTH(test_unclaimed_port_exits),
		BOTH(test_device_gets_every_write),
		BOTH(test_device_gets_every_port_write),
		BOTH(test_string_reaches_device_in_full),
		BOTH(test_string_signals_for_each_element),
		BOTH(test_unclaimed_string_exits_in_full),
		cmocka_unit_test(test_reserved_words),
		BOTH(test_page_size),
		KVM_TEST(test_coalesced_ring),
		TRAP_TEST(test_no_coalesced_ring),
		BOTH(test_vcpu_ids),
	};

	return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
