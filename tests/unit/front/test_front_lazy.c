// SPDX-License-Identifier: MIT
/*
 * The policy lazy: the helper thread installs a doorbell with many signals in a
 * quiet moment.  Meanwhile each write signals once, and no call waits.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "front_fixture.h"

#define THRESHOLD 64
#define MOVES	  20
#define SLOT_CALL ((uint32_t)KVM_SET_USER_MEMORY_REGION)

static const struct bf_front_config lazy = {
	.policy = BF_POLICY_LAZY,
	.install_after = THRESHOLD,
	.quiet_ms = 1,
};

/* The helper installs nothing, because no test is quiet for an hour. */
static const struct bf_front_config never_quiet = {
	.policy = BF_POLICY_LAZY,
	.install_after = 1,
	.quiet_ms = 3600 * 1000,
};

static struct front_fixture f;

static void test_few_signals_do_not_install(void **state)
{
	front_setup(&f, &lazy);
	front_assign(&f);
	assert_int_equal(front_write(&f, THRESHOLD - 1), 0);
	usleep(20000);
	assert_int_equal(front_stats(&f).installed, 0);
	assert_int_equal(front_taken(f.efd), THRESHOLD - 1);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_installed, 1);
	front_teardown(&f);
}

static void test_many_signals_install(void **state)
{
	uint64_t signalled;

	front_setup(&f, &lazy);
	front_assign(&f);
	assert_int_equal(front_write(&f, 2 * THRESHOLD), 0);
	front_wait_installed(&f, 1);
	signalled = front_stats(&f).signalled;
	assert_int_equal(front_write(&f, 1000), 0);
	assert_int_equal(front_stats(&f).signalled, signalled);
	assert_int_equal(front_taken(f.efd), 2 * THRESHOLD + 1000);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_installed, 0);
	assert_int_equal(front_write(&f, 10), 10);
	assert_int_equal(front_taken(f.efd), 0);
	front_teardown(&f);
}

static unsigned int doorbells_noted, zones_noted;

static void note_doorbell(const struct bf_front *front,
			  const struct kvm_ioeventfd *arg, int ret)
{
	doorbells_noted += arg->addr == FIXTURE_WINDOW && !ret;
}

static void note_zone(const struct bf_front *front,
		      const struct kvm_coalesced_mmio_zone *zone, int ret)
{
	zones_noted += zone->addr == FIXTURE_WINDOW && !ret;
}

static const struct bf_front_watch watch = {
	.doorbell = note_doorbell,
	.zone = note_zone,
};

/* The watch is called when the kernel has the doorbell, and not before. */
static void test_watch_of_doorbell(void **state)
{
	doorbells_noted = 0;
	bf_front_watch = &watch;
	front_setup(&f, &lazy);
	front_assign(&f);
	assert_int_equal(doorbells_noted, 0);
	assert_int_equal(front_write(&f, 2 * THRESHOLD), 0);
	front_wait_installed(&f, 1);
	assert_int_equal(doorbells_noted, 1);
	front_teardown(&f);
	bf_front_watch = NULL;
}

/* The watch is called when the kernel has the zone, and not before. */
static void test_watch_of_zone(void **state)
{
	zones_noted = 0;
	bf_front_watch = &watch;
	front_setup(&f, &lazy);
	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 8),
			 0);
	assert_int_equal(zones_noted, 0);
	bf_front_install_all(f.front);
	assert_int_equal(front_stats(&f).zones_installed, 1);
	assert_int_equal(zones_noted, 1);
	front_teardown(&f);
	bf_front_watch = NULL;
}

/* The helper installs only the doorbell that was signalled. */
static void test_other_doorbells_stay(void **state)
{
	struct kvm_ioeventfd other;

	front_setup(&f, &lazy);
	other = front_doorbell(&f, 0);
	other.addr += 8;
	assert_int_equal(bf_front_ioeventfd(f.front, &other), 0);
	front_assign(&f);
	front_write(&f, 2 * THRESHOLD);
	front_wait_installed(&f, 1);
	other.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(f.front, &other), 0);
	assert_int_equal(front_stats(&f).never_installed, 1);
	front_teardown(&f);
}

/* The helper installs the doorbell at any moment; each write signals once. */
static void install_once(void)
{
	enum { WRITES = 1500 };

	front_assign(&f);
	front_start_writers(&f, WRITES);
	assert_int_equal(front_join_writers(&f), 0);
	assert_int_equal(front_taken(f.efd), FRONT_VCPUS * WRITES);
	front_wait_installed(&f, front_stats(&f).assigned);
	front_deassign(&f);
}

static void test_install_beside_writes(void **state)
{
	unsigned int i;

	front_setup(&f, &lazy);
	for (i = 0; i < MOVES; i++)
		install_once();
	assert_int_equal(front_stats(&f).installed, MOVES);
	front_teardown(&f);
}

/* The removal comes at any point of the install. */
static void test_removal_beside_install(void **state)
{
	enum { WRITES = 1000 };
	unsigned int i;
	uint64_t taken;

	front_setup(&f, &lazy);
	for (i = 0; i < MOVES; i++) {
		front_assign(&f);
		front_start_writers(&f, WRITES);
		usleep(1000 + i * 100);
		front_deassign(&f);
		taken = front_taken(f.efd);
		taken += front_join_writers(&f);
		assert_int_equal(front_taken(f.efd), 0);
		assert_int_equal(taken, FRONT_VCPUS * WRITES);
	}
	front_teardown(&f);
}

/* The helper installs nothing while a call that may stall is in progress. */
static void test_no_install_during_slot_call(void **state)
{
	front_setup(&f, &lazy);
	front_assign(&f);
	bf_front_call_begins(f.front, SLOT_CALL);
	front_write(&f, 4 * THRESHOLD);
	usleep(20000);
	assert_int_equal(front_stats(&f).installed, 0);
	bf_front_call_ends(f.front, SLOT_CALL);
	front_wait_installed(&f, 1);
	front_teardown(&f);
}

/* A call that cannot stall does not delay the install. */
static void test_install_during_irq_call(void **state)
{
	front_setup(&f, &lazy);
	front_assign(&f);
	bf_front_call_begins(f.front, (uint32_t)KVM_IRQ_LINE);
	front_write(&f, 4 * THRESHOLD);
	front_wait_installed(&f, 1);
	bf_front_call_ends(f.front, (uint32_t)KVM_IRQ_LINE);
	front_teardown(&f);
}

/* bf_front_stop() drops pending installs and waits for no quiet moment. */
static void test_stop_drops_pending_install(void **state)
{
	front_setup(&f, &never_quiet);
	front_assign(&f);
	front_deassign(&f); /* ends the quiet period */
	front_assign(&f);
	front_write(&f, 2000);
	bf_front_stop(f.front);
	assert_int_equal(front_stats(&f).installed, 0);
	assert_int_equal(front_write(&f, 2000), 0);
	assert_int_equal(front_taken(f.efd), 4000);
	front_teardown(&f);
}

static void test_stop_beside_writes(void **state)
{
	unsigned int i;

	for (i = 0; i < MOVES; i++) {
		front_setup(&f, &lazy);
		front_assign(&f);
		front_start_writers(&f, 500);
		usleep(i * 150);
		bf_front_stop(f.front);
		assert_int_equal(front_join_writers(&f), 0);
		assert_int_equal(front_taken(f.efd), FRONT_VCPUS * 500);
		front_teardown(&f);
	}
}

static void on_signal(int sig)
{
	/* Only the main thread may run this handler. */
	assert_int_equal(getpid(), gettid());
}

/* The helper thread blocks the VMM's signals. */
static void test_helper_takes_no_signal(void **state)
{
	struct sigaction action = {.sa_handler = on_signal}, old;
	unsigned int i;

	sigaction(SIGUSR1, &action, &old);
	front_setup(&f, &lazy);
	front_assign(&f);
	front_write(&f, 2 * THRESHOLD);
	front_wait_installed(&f, 1);
	for (i = 0; i < 100; i++)
		kill(getpid(), SIGUSR1);
	front_teardown(&f);
	sigaction(SIGUSR1, &old, NULL);
}

static int register_zone(uint64_t addr, uint32_t size)
{
	return front_zone(&f, KVM_REGISTER_COALESCED_MMIO, addr, size);
}

static int unregister_zone(uint64_t addr, uint32_t size)
{
	return front_zone(&f, KVM_UNREGISTER_COALESCED_MMIO, addr, size);
}

/*
 * The first writes are plain exits.  After enough of them the helper installs
 * the zone, and writes go into the kernel's ring.
 */
static void test_zone_install(void **state)
{
	front_setup(&f, &lazy);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 16), 0);
	assert_int_equal(front_write(&f, 10), 10);
	assert_int_equal(front_stats(&f).zones_installed, 0);
	assert_in_range(front_write(&f, 2 * THRESHOLD), THRESHOLD / 2,
			2 * THRESHOLD);
	front_wait_zones_installed(&f, 1);
	assert_int_equal(front_write(&f, 10), 0);
	assert_int_equal(unregister_zone(FIXTURE_WINDOW, 16), 0);
	assert_int_equal(front_write(&f, 10), 10);
	front_teardown(&f);
}

/* A zone in the kernel would take the writes of a doorbell in user space. */
static void test_doorbell_in_installed_zone(void **state)
{
	front_setup(&f, &lazy);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 16), 0);
	front_write(&f, 2 * THRESHOLD);
	front_wait_zones_installed(&f, 1);
	front_assign(&f);
	assert_int_equal(front_stats(&f).installed, 1);
	front_write(&f, 10);
	assert_int_equal(front_taken(f.efd), 10);
	front_deassign(&f);
	front_teardown(&f);
}

/* The helper installs a zone together with the doorbell inside it. */
static void test_doorbell_is_installed_with_zone(void **state)
{
	struct kvm_ioeventfd inside;

	front_setup(&f, &lazy);
	inside = front_doorbell(&f, 0);
	inside.addr += 8;
	assert_int_equal(bf_front_ioeventfd(f.front, &inside), 0);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 16), 0);
	front_write(&f, 2 * THRESHOLD);
	front_wait_zones_installed(&f, 1);
	assert_int_equal(front_stats(&f).installed, 1);
	front_teardown(&f);
}

/* As in the kernel, a range unregisters the zones that contain it. */
static void test_unregister_before_install(void **state)
{
	front_setup(&f, &lazy);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 0x100), 0);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 0x100), 0);
	assert_int_equal(unregister_zone(FIXTURE_WINDOW + 0x10, 4), 0);
	assert_int_equal(unregister_zone(FIXTURE_WINDOW + 0x10, 4), 0);
	front_write(&f, 2 * THRESHOLD);
	usleep(5000);
	assert_int_equal(front_stats(&f).zones, 2);
	assert_int_equal(front_stats(&f).zones_installed, 0);
	front_teardown(&f);
}

/* A zone beyond the kernel's limit is refused when it is registered. */
static void test_one_zone_too_many(void **state)
{
	unsigned int i;

	front_setup(&f, &lazy);
	for (i = 0; i < 1000; i++)
		assert_int_equal(register_zone(0xe0000000 + 16 * i, 4), 0);
	assert_int_equal(register_zone(0xe8000000, 4), -ENOSPC);
	assert_int_equal(unregister_zone(0xe0000000, 4), 0);
	assert_int_equal(register_zone(0xe8000000, 4), 0);
	front_teardown(&f);
}

static void test_zone_of_bad_space(void **state)
{
	struct kvm_coalesced_mmio_zone zone = {.size = 4, .pio = 2};

	front_setup(&f, &lazy);
	assert_int_equal(bf_front_zone(f.front, KVM_REGISTER_COALESCED_MMIO,
				       &zone),
			 -EINVAL);
	assert_int_equal(bf_front_zone(f.front, KVM_UNREGISTER_COALESCED_MMIO,
				       &zone),
			 -EINVAL);
	front_teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few_signals_do_not_install),
		cmocka_unit_test(test_many_signals_install),
		cmocka_unit_test(test_watch_of_doorbell),
		cmocka_unit_test(test_watch_of_zone),
		cmocka_unit_test(test_other_doorbells_stay),
		cmocka_unit_test(test_install_beside_writes),
		cmocka_unit_test(test_removal_beside_install),
		cmocka_unit_test(test_no_install_during_slot_call),
		cmocka_unit_test(test_install_during_irq_call),
		cmocka_unit_test(test_stop_drops_pending_install),
		cmocka_unit_test(test_stop_beside_writes),
		cmocka_unit_test(test_helper_takes_no_signal),
		cmocka_unit_test(test_zone_install),
		cmocka_unit_test(test_doorbell_in_installed_zone),
		cmocka_unit_test(test_doorbell_is_installed_with_zone),
		cmocka_unit_test(test_unregister_before_install),
		cmocka_unit_test(test_one_zone_too_many),
		cmocka_unit_test(test_zone_of_bad_space),
	};

	return cmocka_run_group_tests_name("front_lazy", tests, NULL, NULL);
}
