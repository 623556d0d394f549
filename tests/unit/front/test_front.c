// SPDX-License-Identifier: MIT
/*
 * The front by itself: vCPUs write while their doorbell is installed or
 * removed, and the kernel refuses some installs.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "front_fixture.h"
#include "testing/trap/optional.h"

#define WRITES 300
#define MOVES  50

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
 * The vCPUs write before the install, so an exit may be in flight during the
 * install.  The front must still match it.
 */
static void install_once(unsigned int after_writes)
{
	uint64_t taken = 0;

	front_assign(&f);
	front_start_writers(&f, WRITES);
	while (taken < after_writes) {
		usleep(20);
		taken += front_taken(f.efd);
	}
	front_install(&f);
	assert_int_equal(front_join_writers(&f), 0);
	taken += front_taken(f.efd);
	assert_int_equal(taken, FRONT_VCPUS * WRITES);
	front_deassign(&f);
}

static void test_no_write_lost_during_install(void **state)
{
	struct bf_front_stats stats;
	unsigned int i;

	front_setup(&f, &first_run);
	for (i = 0; i < MOVES; i++)
		install_once(1 + i % 7 * (WRITES / 7));
	stats = front_stats(&f);
	assert_int_equal(stats.installed, MOVES);
	/* The front signalled for some writes, the kernel for others. */
	assert_in_range(stats.signalled, 1, MOVES * FRONT_VCPUS * WRITES - 1);
	front_teardown(&f);
}

/*
 * After the removal no write signals the eventfd, not even one that was in
 * flight.  Each write that does not signal goes to the VMM.
 */
static void remove_once(bool installed, unsigned int delay_us)
{
	uint64_t taken;

	front_assign(&f);
	if (installed)
		front_install(&f);
	front_start_writers(&f, WRITES);
	usleep(delay_us);
	front_deassign(&f);
	taken = front_taken(f.efd);
	taken += front_join_writers(&f);
	assert_int_equal(front_taken(f.efd), 0);
	assert_int_equal(taken, FRONT_VCPUS * WRITES);
}

static void test_deassign_beside_writes(void **state)
{
	unsigned int i;

	front_setup(&f, &first_run);
	for (i = 0; i < MOVES; i++)
		remove_once(i % 2, i % 7 * 150);
	assert_int_equal(front_stats(&f).never_installed, MOVES / 2);
	front_teardown(&f);
}

/* Each write signals the old eventfd or the new one, or goes to the VMM. */
static void replace_once(int other, unsigned int delay_us)
{
	struct kvm_ioeventfd arg = front_doorbell(&f, 0);
	uint64_t taken;

	front_assign(&f);
	front_start_writers(&f, WRITES);
	usleep(delay_us);
	front_deassign(&f);
	arg.fd = other;
	assert_int_equal(bf_front_ioeventfd(f.front, &arg), 0);
	taken = front_taken(f.efd);
	taken += front_join_writers(&f);
	assert_int_equal(front_taken(f.efd), 0);
	assert_int_equal(taken + front_taken(other), FRONT_VCPUS * WRITES);
	arg.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(f.front, &arg), 0);
}

static void test_replace_beside_writes(void **state)
{
	int other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unsigned int i;

	front_setup(&f, &never);
	for (i = 0; i < MOVES; i++)
		replace_once(other, i % 7 * 150);
	front_teardown(&f);
	close(other);
}

static void test_policy_never(void **state)
{
	front_setup(&f, &never);
	front_assign(&f);
	front_install(&f);
	assert_int_equal(front_write(&f, 2000), 0);
	assert_int_equal(front_taken(f.efd), 2000);
	assert_int_equal(front_stats(&f).installed, 0);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_installed, 1);
	front_teardown(&f);
}

/* After bf_front_install_all() the front need not see exits, under any policy. */
static void test_install_all(void **state)
{
	struct bf_front_stats stats;

	front_setup(&f, &never);
	front_assign(&f);
	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 16),
			 0);
	bf_front_install_all(f.front);
	stats = front_stats(&f);
	assert_int_equal(stats.installed, 1);
	assert_int_equal(stats.zones_installed, 1);
	front_write(&f, 10);
	assert_int_equal(front_taken(f.efd), 10);
	assert_int_equal(front_stats(&f).signalled, 0);
	front_deassign(&f);
	front_assign(&f);
	assert_int_equal(front_stats(&f).installed, 2);
	front_teardown(&f);
}

/* A call into the kernel leaves a grace period pending for a while. */
static void test_pending_gp_ends(void **state)
{
	front_setup(&f, &never);
	front_assign(&f);
	assert_false(bf_front_has_pending_gp(f.front));
	bf_front_install_all(f.front);
	while (!bf_front_has_pending_gp(f.front)) {
		front_deassign(&f);
		front_assign(&f);
	}
	while (bf_front_has_pending_gp(f.front))
		usleep(1000);
	front_teardown(&f);
}

/* An install under eager bypasses the bus and leaves a grace period, too. */
static void test_pending_gp_of_eager_install(void **state)
{
	bool pending = false;

	front_setup(&f, &eager);
	assert_false(bf_front_has_pending_gp(f.front));
	/* Repeat, since the time may be over before the test looks. */
	for (int i = 0; i < 100 && !pending; i++) {
		front_assign(&f);
		pending = bf_front_has_pending_gp(f.front);
		front_deassign(&f);
	}
	assert_true(pending);
	front_teardown(&f);
}

/* With 1,000 zones the kernel's bus is full. */
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

/*
 * The kernel refuses a doorbell under an installed zone.  The zone takes all
 * writes of the doorbell, so the front must refuse the doorbell as well.
 */
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

/*
 * The kernel has refused the doorbell, and the front serves it.  A zone over it
 * may be installed only after the doorbell.
 */
static void test_zone_over_a_refused_doorbell(void **state)
{
	front_setup(&f, &first_run);
	fill_with_zones(0xe0000000);
	front_assign(&f);
	front_install(&f);
	assert_int_equal(front_stats(&f).refused, 1);
	assert_int_equal(front_write(&f, 5), 0);
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
	assert_int_equal(front_stats(&f).never_installed, 0);
	front_teardown(&f);
}

/* The front does not remove a doorbell that the caller added to the bus. */
static void test_callers_doorbell_on_the_bus(void **state)
{
	const struct bf_vm_config config = {.engine = trap_engine};
	struct kvm_ioeventfd arg = front_doorbell(&f, 0);
	struct bf_io_doorbell_desc desc = {
		.addr = FIXTURE_WINDOW,
		.len = 4,
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_EVENTFD,
	};
	struct bf_io_doorbell *callers, *found = NULL;
	struct bf_vm *vm;

	if (!trap_engine && !fixture_have_kvm())
		skip();
	desc.eventfd = arg.fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(bf_vm_create(&config, &vm), 0);
	assert_int_equal(
		bf_io_add_doorbell(bf_vm_bus(vm), &desc, &callers, NULL), 0);
	assert_int_equal(bf_front_ioeventfd(bf_vm_front(vm), &arg), -EEXIST);
	arg.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(bf_vm_front(vm), &arg), -ENOENT);
	bf_io_remove_doorbell(bf_vm_bus(vm), callers);
	arg.flags = 0;
	assert_int_equal(bf_front_ioeventfd(bf_vm_front(vm), &arg), 0);
	assert_int_equal(bf_io_find_doorbell(bf_vm_bus(vm), &desc, &found),
			 -ENOENT);
	bf_vm_destroy(vm);
	close(arg.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_write_lost_during_install),
		cmocka_unit_test(test_deassign_beside_writes),
		cmocka_unit_test(test_replace_beside_writes),
		cmocka_unit_test(test_policy_never),
		cmocka_unit_test(test_install_all),
		cmocka_unit_test(test_pending_gp_ends),
		cmocka_unit_test(test_pending_gp_of_eager_install),
		cmocka_unit_test(test_refused_under_a_zone),
		cmocka_unit_test(test_zone_over_a_refused_doorbell),
		cmocka_unit_test(test_callers_doorbell_on_the_bus),
	};

	return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
