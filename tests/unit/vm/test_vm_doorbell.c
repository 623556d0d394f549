// SPDX-License-Identifier: MIT
/* Doorbells of a VM, on both engines: matching, installs, removals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vm_guest_fixture.h"

static void test_mmio_doorbell(void **state)
{
	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, WRITES, 7);
	assert_int_equal(taken(), WRITES);
}

static void test_pio_doorbell(void **state)
{
	need_ports();
	assert_int_equal(assign(FIXTURE_PORT, 4, KVM_IOEVENTFD_FLAG_PIO), 0);
	guest_write(&guest_write_pio4, FIXTURE_PORT, WRITES, 7);
	assert_int_equal(taken(), WRITES);
}

static void test_length_zero_takes_all_lengths(void **state)
{
	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 0, 0), 0);
	guest_write(&guest_write_mmio1, FIXTURE_WINDOW, 3, 1);
	guest_write(&guest_write_mmio2, FIXTURE_WINDOW, 5, 1);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, 7, 1);
	guest_write(&guest_write_mmio8, FIXTURE_WINDOW, 11, 1);
	assert_int_equal(taken(), 26);
}

static int deassign(uint64_t addr, uint32_t len, uint32_t flags)
{
	return assign(addr, len, flags | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void test_removed_doorbell_is_silent(void **state)
{
	struct bf_front_stats stats;

	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, WRITES, 1);
	assert_int_equal(taken(), WRITES);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), -ENOENT);
	fixture_boot(&vcpu, &guest_write_mmio4, FIXTURE_WINDOW, 1, 1);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
	assert_int_equal(taken(), 0);
	bf_front_get_stats(bf_vm_front(fixture.vm), &stats);
	assert_int_equal(stats.assigned, 1);
	assert_int_equal(stats.deassigned, 1);
	/* Either the front or the kernel signalled for all writes. */
	assert_int_equal(stats.signalled, stats.installed ? 0 : WRITES);
}

/* A doorbell that is removed before the first run is never installed. */
static void test_removal_before_install(void **state)
{
	struct bf_front_stats stats;

	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
	bf_front_get_stats(bf_vm_front(fixture.vm), &stats);
	assert_int_equal(stats.never_installed, 1);
	assert_int_equal(stats.installed, 0);
	fixture_boot(&vcpu, &guest_write_mmio4, FIXTURE_WINDOW, 1, 1);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
}

/*
 * The caller closes the eventfd's descriptor, and another eventfd gets its
 * number, before the doorbell is installed.  The doorbell must signal the first
 * eventfd.
 */
static void test_reused_fd_gets_no_signal(void **state)
{
	int twin, other, first;

	need_vm();
	twin = dup(efd);
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	first = efd;
	close(efd);
	other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(other, first);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, WRITES, 1);
	assert_int_equal(taken(), 0);
	efd = twin;
	assert_int_equal(taken(), WRITES);
	close(other);
}

/* As in the kernel, a doorbell has precedence over a zone that covers it. */
static void check_zone_and_doorbell(bool zone_first)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = FIXTURE_WINDOW,
		.size = 4096,
	};
	const unsigned long request = KVM_REGISTER_COALESCED_MMIO;

	need_vm();
	if (zone_first)
		assert_int_equal(bf_front_zone(bf_vm_front(fixture.vm), request,
					       &zone),
				 0);
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	if (!zone_first)
		assert_int_equal(bf_front_zone(bf_vm_front(fixture.vm), request,
					       &zone),
				 0);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, WRITES, 1);
	assert_int_equal(taken(), WRITES);
}

static void test_zone_over_pending_doorbell(void **state)
{
	check_zone_and_doorbell(false);
}

static void test_doorbell_inside_zone(void **state)
{
	check_zone_and_doorbell(true);
}

/* The kernel's bus is full and refuses the doorbell, so the front signals. */
static void test_kernel_refuses_doorbell(void **state)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 4};
	struct bf_front_stats stats;
	unsigned int i;

	need_vm();
	for (i = 0; i < 1000; i++) {
		zone.addr = 0xe0000000 + 16 * i;
		assert_int_equal(bf_front_zone(bf_vm_front(fixture.vm),
					       KVM_REGISTER_COALESCED_MMIO,
					       &zone),
				 0);
	}
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	guest_write(&guest_write_mmio4, FIXTURE_WINDOW, WRITES, 1);
	assert_int_equal(taken(), WRITES);
	bf_front_get_stats(bf_vm_front(fixture.vm), &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.signalled, WRITES);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
}

/*
 * Two vCPUs write all the time while a doorbell is assigned, installed and
 * removed.  A device counts the writes that no doorbell takes: each write
 * signals once or is counted once.
 */
#define NR_WRITES 6000

static void assign_and_deassign(uint64_t *signals, unsigned int *moves)
{
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	usleep(500 + *moves % 7 * 300);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
	*signals += taken();
	++*moves;
}

static void test_exactly_once_beside_installs(void **state)
{
	struct fixture_vcpu second = {0};
	struct adder adder = {0};
	struct bf_front_stats stats;
	uint64_t signals = 0, total = 0;
	unsigned int moves = 0;

	need_vm();
	fixture_add_vcpu(&fixture, &second, 1);
	add_adder(&adder, BF_IO_MMIO, FIXTURE_WINDOW);
	do {
		fixture_boot(&vcpu, &guest_write_mmio4, FIXTURE_WINDOW,
			     NR_WRITES, 1);
		fixture_boot(&second, &guest_write_mmio4, FIXTURE_WINDOW,
			     NR_WRITES, 1);
		fixture_start(&vcpu);
		fixture_start(&second);
		while (adder_writes(&adder) + signals < total + NR_WRITES)
			assign_and_deassign(&signals, &moves);
		fixture_join(&vcpu);
		fixture_join(&second);
		total += 2 * NR_WRITES;
		signals += taken();
		assert_int_equal(adder.writes + signals, total);
	} while (moves < 40);
	bf_front_get_stats(bf_vm_front(fixture.vm), &stats);
	print_message("%u moves, %lu writes: %lu device, %lu front, rest in "
		      "the kernel\n",
		      moves, (unsigned long)total, (unsigned long)adder.writes,
		      (unsigned long)stats.signalled);
	/* The test shows nothing if one side never got a write. */
	assert_true(adder.writes > 0 && signals > 0);
	bf_vcpu_destroy(second.vcpu);
}

/*
 * At its first run one vCPU installs many doorbells at one address, with
 * different values, while another vCPU writes to them.
 */
static void test_exactly_once_beside_first_run(void **state)
{
	struct kvm_ioeventfd arg =
		doorbell(FIXTURE_WINDOW, 4, KVM_IOEVENTFD_FLAG_DATAMATCH);
	struct fixture_vcpu second = {0};
	unsigned int i;

	need_vm();
	fixture_add_vcpu(&fixture, &second, 1);
	for (i = 0; i < 200; i++) {
		arg.datamatch = i;
		assert_int_equal(
			bf_front_ioeventfd(bf_vm_front(fixture.vm), &arg), 0);
	}
	fixture_boot(&vcpu, &guest_write_mmio4, FIXTURE_WINDOW, NR_WRITES, 199);
	fixture_boot(&second, &guest_write_mmio4, FIXTURE_WINDOW, NR_WRITES, 0);
	fixture_start(&vcpu);
	fixture_start(&second);
	fixture_join(&vcpu);
	fixture_join(&second);
	assert_int_equal(taken(), 2 * NR_WRITES);
	bf_vcpu_destroy(second.vcpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_mmio_doorbell),
		BOTH(test_pio_doorbell),
		BOTH(test_length_zero_takes_all_lengths),
		BOTH(test_removed_doorbell_is_silent),
		BOTH(test_removal_before_install),
		BOTH(test_reused_fd_gets_no_signal),
		BOTH(test_exactly_once_beside_installs),
		BOTH(test_exactly_once_beside_first_run),
		KVM_TEST(test_zone_over_pending_doorbell),
		KVM_TEST(test_doorbell_inside_zone),
		KVM_TEST(test_kernel_refuses_doorbell),
	};

	return cmocka_run_group_tests_name("vm_doorbell", tests, NULL, NULL);
}
