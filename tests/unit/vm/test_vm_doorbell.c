// SPDX-License-Identifier: MIT
/* Doorbells of a VM, on both engines: how they match, how they move. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vm_ring_fixture.h"

static void test_mmio_doorbell(void **state)
{
	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW, RINGS, 7);
	assert_int_equal(taken(), RINGS);
}

static void test_pio_doorbell(void **state)
{
	need_vm();
	assert_int_equal(assign(FIXTURE_PORT, 4, KVM_IOEVENTFD_FLAG_PIO), 0);
	ring(&guest_ring_pio4, FIXTURE_PORT, RINGS, 7);
	assert_int_equal(taken(), RINGS);
}

static void test_length_zero_takes_all_lengths(void **state)
{
	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 0, 0), 0);
	ring(&guest_ring_mmio1, FIXTURE_WINDOW, 3, 1);
	ring(&guest_ring_mmio2, FIXTURE_WINDOW, 5, 1);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW, 7, 1);
	ring(&guest_ring_mmio8, FIXTURE_WINDOW, 11, 1);
	assert_int_equal(taken(), 26);
}

static int deassign(uint64_t addr, uint32_t len, uint32_t flags)
{
	return assign(addr, len, flags | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void test_removed_doorbell_is_silent(void **state)
{
	struct bf_vm_stats stats;

	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW, RINGS, 1);
	assert_int_equal(taken(), RINGS);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), -ENOENT);
	fixture_boot(&vcpu, &guest_ring_mmio4, FIXTURE_WINDOW, 1, 1);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
	assert_int_equal(taken(), 0);
	bf_vm_stats(fixture.vm, &stats);
	assert_int_equal(stats.assigned, 1);
	assert_int_equal(stats.deassigned, 1);
	/* Each ring was delivered either here or by the kernel. */
	assert_int_equal(stats.rung, stats.installed ? 0 : RINGS);
}

/* Assigned and removed before any run: the kernel never hears of it. */
static void test_never_known_to_the_kernel(void **state)
{
	struct bf_vm_stats stats;

	need_vm();
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
	bf_vm_stats(fixture.vm, &stats);
	assert_int_equal(stats.never_known, 1);
	assert_int_equal(stats.installed, 0);
	fixture_boot(&vcpu, &guest_ring_mmio4, FIXTURE_WINDOW, 1, 1);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
}

/* The eventfd's own number is closed, and taken by somebody else, before the
 * doorbell is installed: it must not ring the stranger. */
static void test_closed_eventfd_rings_no_stranger(void **state)
{
	int twin, stranger, first;

	need_vm();
	twin = dup(efd);
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	first = efd;
	close(efd);
	stranger = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(stranger, first);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW, RINGS, 1);
	assert_int_equal(taken(), 0);
	efd = twin;
	assert_int_equal(taken(), RINGS);
	close(stranger);
}

/* In the kernel the doorbell wins over a zone that covers it. */
static void zone_and_doorbell(bool zone_first)
{
	struct kvm_coalesced_mmio_zone zone = {
		.addr = FIXTURE_WINDOW,
		.size = 4096,
	};
	const unsigned long request = KVM_REGISTER_COALESCED_MMIO;

	need_vm();
	if (zone_first)
		assert_int_equal(
			bf_vm_coalesced_zone(fixture.vm, request, &zone), 0);
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	if (!zone_first)
		assert_int_equal(
			bf_vm_coalesced_zone(fixture.vm, request, &zone), 0);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW, RINGS, 1);
	assert_int_equal(taken(), RINGS);
}

static void test_zone_over_pending_doorbell(void **state)
{
	zone_and_doorbell(false);
}

static void test_doorbell_inside_zone(void **state)
{
	zone_and_doorbell(true);
}

/* Full of zones, the kernel takes no doorbell: it rings in user space. */
static void test_kernel_refuses_doorbell(void **state)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 4};
	struct bf_vm_stats stats;
	unsigned int i;

	need_vm();
	for (i = 0; i < 1000; i++) {
		zone.addr = 0xe0000000 + 16 * i;
		assert_int_equal(bf_vm_coalesced_zone(
					 fixture.vm,
					 KVM_REGISTER_COALESCED_MMIO, &zone),
				 0);
	}
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW, RINGS, 1);
	assert_int_equal(taken(), RINGS);
	bf_vm_stats(fixture.vm, &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.rung, RINGS);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
}

/*
 * Two vCPUs ring without pause while the doorbell appears, moves to the
 * kernel and goes again.  What no doorbell takes, a device counts: each ring
 * is seen once, wherever.
 */
#define STORM 6000

static void doorbell_comes_and_goes(uint64_t *signals, unsigned int *moves)
{
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	usleep(500 + *moves % 7 * 300);
	assert_int_equal(deassign(FIXTURE_WINDOW, 4, 0), 0);
	*signals += taken();
	++*moves;
}

static void test_exactly_once_on_the_move(void **state)
{
	struct fixture_vcpu second = {0};
	struct adder adder = {0};
	struct bf_vm_stats stats;
	uint64_t signals = 0, total = 0;
	unsigned int moves = 0;

	need_vm();
	fixture_add_vcpu(&fixture, &second, 1);
	add_adder(&adder, BF_IO_MMIO, FIXTURE_WINDOW);
	do {
		fixture_boot(&vcpu, &guest_ring_mmio4, FIXTURE_WINDOW, STORM,
			     1);
		fixture_boot(&second, &guest_ring_mmio4, FIXTURE_WINDOW, STORM,
			     1);
		fixture_start(&vcpu);
		fixture_start(&second);
		while (adder_writes(&adder) + signals < total + STORM)
			doorbell_comes_and_goes(&signals, &moves);
		fixture_join(&vcpu);
		fixture_join(&second);
		total += 2 * STORM;
		signals += taken();
		assert_int_equal(adder.writes + signals, total);
	} while (moves < 40);
	bf_vm_stats(fixture.vm, &stats);
	print_message("%u moves, %lu rings: %lu device, %lu here, rest in the "
		      "kernel\n",
		      moves, (unsigned long)total, (unsigned long)adder.writes,
		      (unsigned long)stats.rung);
	/* The test is worth nothing if one side never got a ring. */
	assert_true(adder.writes > 0 && signals > 0);
	bf_vcpu_destroy(second.vcpu);
}

/*
 * The first-run batch under fire: many doorbells at one address with
 * different values are installed by one vCPU while the other rings them.
 */
static void test_exactly_once_in_first_batch(void **state)
{
	struct kvm_ioeventfd arg =
		doorbell(FIXTURE_WINDOW, 4, KVM_IOEVENTFD_FLAG_DATAMATCH);
	struct fixture_vcpu second = {0};
	unsigned int i;

	need_vm();
	fixture_add_vcpu(&fixture, &second, 1);
	for (i = 0; i < 200; i++) {
		arg.datamatch = i;
		assert_int_equal(bf_vm_ioeventfd(fixture.vm, &arg), 0);
	}
	fixture_boot(&vcpu, &guest_ring_mmio4, FIXTURE_WINDOW, STORM, 199);
	fixture_boot(&second, &guest_ring_mmio4, FIXTURE_WINDOW, STORM, 0);
	fixture_start(&vcpu);
	fixture_start(&second);
	fixture_join(&vcpu);
	fixture_join(&second);
	assert_int_equal(taken(), 2 * STORM);
	bf_vcpu_destroy(second.vcpu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_mmio_doorbell),
		BOTH(test_pio_doorbell),
		BOTH(test_length_zero_takes_all_lengths),
		BOTH(test_removed_doorbell_is_silent),
		BOTH(test_never_known_to_the_kernel),
		BOTH(test_closed_eventfd_rings_no_stranger),
		BOTH(test_exactly_once_on_the_move),
		BOTH(test_exactly_once_in_first_batch),
		KVM_TEST(test_zone_over_pending_doorbell),
		KVM_TEST(test_doorbell_inside_zone),
		KVM_TEST(test_kernel_refuses_doorbell),
	};

	return cmocka_run_group_tests_name("vm_doorbell", tests, NULL, NULL);
}
