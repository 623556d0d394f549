// SPDX-License-Identifier: MIT
/*
 * The front alone, its steps taken by hand: vCPUs ring while their doorbell
 * moves to the kernel or goes away, and the kernel refuses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "front_fixture.h"

#define RINGS 300
#define MOVES 50

static const struct bf_front_config first_run = {
	.policy = BF_POLICY_FIRST_RUN,
	.zones_at_once = true,
};

static const struct bf_front_config never = {
	.policy = BF_POLICY_NEVER,
};

static const struct bf_front_config eager = {
	.policy = BF_POLICY_EAGER,
};

static struct front_fixture f;

/*
 * Both ring in user space already when the doorbell is installed, so an exit
 * may be on its way: it must still be matched here.
 */
static void move_once(unsigned int delay_us)
{
	front_assign(&f);
	front_start_ringing(&f, RINGS);
	usleep(delay_us);
	bf_front_before_run(f.front);
	assert_int_equal(front_join_ringers(&f), 0);
	assert_int_equal(front_taken(f.efd), FRONT_VCPUS * RINGS);
	front_deassign(&f);
}

static void test_nothing_leaks_while_installed(void **state)
{
	struct bf_vm_stats stats;
	unsigned int i;

	front_setup(&f, &first_run);
	for (i = 0; i < MOVES; i++)
		move_once(100 + i % 7 * 150);
	stats = front_stats(&f);
	assert_int_equal(stats.installed, MOVES);
	/* Some rang here, some in the kernel. */
	assert_in_range(stats.rung, 1, MOVES * FRONT_VCPUS * RINGS - 1);
	front_teardown(&f);
}

/*
 * When the call returned nothing rings any more, whoever was about to, and
 * what does not ring is the VMM's.
 */
static void remove_once(bool installed, unsigned int delay_us)
{
	uint64_t taken;

	front_assign(&f);
	if (installed)
		bf_front_before_run(f.front);
	front_start_ringing(&f, RINGS);
	usleep(delay_us);
	front_deassign(&f);
	taken = front_taken(f.efd);
	taken += front_join_ringers(&f);
	assert_int_equal(front_taken(f.efd), 0);
	assert_int_equal(taken, FRONT_VCPUS * RINGS);
}

static void test_deassigned_while_ringing(void **state)
{
	unsigned int i;

	front_setup(&f, &first_run);
	for (i = 0; i < MOVES; i++)
		remove_once(i % 2, i % 7 * 150);
	assert_int_equal(front_stats(&f).never_known, MOVES / 2);
	front_teardown(&f);
}

/* Each write rings the old one, or the new one, or is the VMM's. */
static void replace_once(int other, unsigned int delay_us)
{
	struct kvm_ioeventfd arg = front_doorbell(&f, 0);
	uint64_t taken;

	front_assign(&f);
	front_start_ringing(&f, RINGS);
	usleep(delay_us);
	front_deassign(&f);
	arg.fd = other;
	assert_int_equal(bf_front_ioeventfd(f.front, &arg), 0);
	taken = front_taken(f.efd);
	taken += front_join_ringers(&f);
	assert_int_equal(front_taken(f.efd), 0);
	assert_int_equal(taken + front_taken(other), FRONT_VCPUS * RINGS);
	arg.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(f.front, &arg), 0);
}

static void test_replaced_while_ringing(void **state)
{
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned int i;

	front_setup(&f, &never);
	for (i = 0; i < MOVES; i++)
		replace_once(other, i % 7 * 150);
	front_teardown(&f);
	close(other);
}

static void test_never(void **state)
{
	front_setup(&f, &never);
	front_assign(&f);
	bf_front_before_run(f.front);
	assert_int_equal(front_ring(&f, 2000), 0);
	assert_int_equal(front_taken(f.efd), 2000);
	assert_int_equal(front_stats(&f).installed, 0);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_known, 1);
	front_teardown(&f);
}

/* Whatever the policy: the VM's exits are not to be seen any more. */
static void test_give_all(void **state)
{
	struct bf_vm_stats stats;

	front_setup(&f, &never);
	front_assign(&f);
	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 16),
			 0);
	bf_front_give_all(f.front);
	stats = front_stats(&f);
	assert_int_equal(stats.installed, 1);
	assert_int_equal(stats.zones_installed, 1);
	front_ring(&f, 10);
	assert_int_equal(front_taken(f.efd), 10);
	assert_int_equal(front_stats(&f).rung, 0);
	front_deassign(&f);
	front_assign(&f);
	assert_int_equal(front_stats(&f).installed, 2);
	front_teardown(&f);
}

/* A close out of turn: for a while after the kernel was told, and only then. */
static void test_owes_for_a_while(void **state)
{
	front_setup(&f, &never);
	front_assign(&f);
	assert_false(bf_front_owes(f.front));
	bf_front_give_all(f.front);
	while (!bf_front_owes(f.front)) {
		front_deassign(&f);
		front_assign(&f);
	}
	while (bf_front_owes(f.front))
		usleep(1000);
	front_teardown(&f);
}

/* What the kernel gets past the bus is owed like the rest. */
static void test_owes_for_what_is_direct(void **state)
{
	bool owed = false;

	front_setup(&f, &eager);
	assert_false(bf_front_owes(f.front));
	/* Again where the time is over before it was looked at. */
	for (int i = 0; i < 100 && !owed; i++) {
		front_assign(&f);
		owed = bf_front_owes(f.front);
		front_deassign(&f);
	}
	assert_true(owed);
	front_teardown(&f);
}

/* A thousand zones: the kernel takes nothing more. */
static void fill_with_zones(uint64_t first)
{
	unsigned int i;

	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO, first, 16),
			 0);
	for (i = 1; i < 1000; i++)
		assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
					    0xe0000000 + 16 * i, 4),
				 0);
}

/* The zone would take its writes, so it must not seem to be there. */
static void test_refused_under_a_zone(void **state)
{
	struct kvm_ioeventfd arg;

	front_setup(&f, &first_run);
	arg = front_doorbell(&f, 0);
	fill_with_zones(FIXTURE_WINDOW);
	assert_int_equal(bf_front_ioeventfd(f.front, &arg), -ENOSPC);
	assert_int_equal(front_zone(&f, KVM_UNREGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 16),
			 0);
	front_assign(&f);
	front_teardown(&f);
}

/* Refused when it was free to ring here; a zone that comes over it later. */
static void test_zone_over_a_refused_doorbell(void **state)
{
	front_setup(&f, &first_run);
	fill_with_zones(0xe0000000);
	front_assign(&f);
	bf_front_before_run(f.front);
	assert_int_equal(front_stats(&f).refused, 1);
	assert_int_equal(front_ring(&f, 5), 0);
	assert_int_equal(front_taken(f.efd), 5);
	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 16),
			 -ENOSPC);
	assert_int_equal(front_zone(&f, KVM_UNREGISTER_COALESCED_MMIO,
				    0xe0000010, 4),
			 0);
	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 16),
			 0);
	assert_int_equal(front_stats(&f).installed, 1);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_known, 0);
	front_teardown(&f);
}

/* The caller's own doorbell on the VM's bus is not the front's to remove. */
static void test_doorbell_of_the_bus_owner(void **state)
{
	const struct bf_vm_config config = {.engine = BF_ENGINE_TRAP};
	struct kvm_ioeventfd arg = front_doorbell(&f, 0);
	struct bf_io_doorbell_desc desc = {
		.addr = FIXTURE_WINDOW,
		.len = 4,
		.wildcard = true,
	};
	struct bf_io_doorbell *own, *found = NULL;
	struct bf_vm *vm;

	desc.eventfd = arg.fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(bf_vm_create(&vm, &config), 0);
	assert_int_equal(bf_io_add_doorbell(bf_vm_bus(vm), &desc, &own, NULL),
			 0);
	assert_int_equal(bf_vm_ioeventfd(vm, &arg), -EEXIST);
	arg.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_vm_ioeventfd(vm, &arg), -ENOENT);
	bf_io_remove_doorbell(bf_vm_bus(vm), own);
	arg.flags = 0;
	assert_int_equal(bf_vm_ioeventfd(vm, &arg), 0);
	assert_int_equal(bf_io_find_doorbell(bf_vm_bus(vm), &desc, &found),
			 -ENOENT);
	bf_vm_destroy(vm);
	close(arg.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_leaks_while_installed),
		cmocka_unit_test(test_deassigned_while_ringing),
		cmocka_unit_test(test_replaced_while_ringing),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_give_all),
		cmocka_unit_test(test_owes_for_a_while),
		cmocka_unit_test(test_owes_for_what_is_direct),
		cmocka_unit_test(test_refused_under_a_zone),
		cmocka_unit_test(test_zone_over_a_refused_doorbell),
		cmocka_unit_test(test_doorbell_of_the_bus_owner),
	};

	return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
