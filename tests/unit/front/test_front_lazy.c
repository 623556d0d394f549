// SPDX-License-Identifier: MIT
/*
 * The policy lazy: what is rung often reaches the kernel, in a quiet moment,
 * and nothing is lost, doubled or waited for on the way.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "front_fixture.h"
#include "vm/watch.h"

#define OFTEN	  64
#define MOVES	  20
#define SLOT_CALL ((uint32_t)KVM_SET_USER_MEMORY_REGION)

static const struct bf_front_config lazy = {
	.policy = BF_POLICY_LAZY,
	.rings = OFTEN,
	.quiet_ms = 1,
};

/* Nothing is installed by itself: there is no such quiet in a test. */
static const struct bf_front_config restless = {
	.policy = BF_POLICY_LAZY,
	.rings = 1,
	.quiet_ms = 3600 * 1000,
};

static struct front_fixture f;

static void test_rarely_rung(void **state)
{
	front_setup(&f, &lazy);
	front_assign(&f);
	assert_int_equal(front_ring(&f, OFTEN - 1), 0);
	usleep(20000);
	assert_int_equal(front_stats(&f).installed, 0);
	assert_int_equal(front_taken(f.efd), OFTEN - 1);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_known, 1);
	front_teardown(&f);
}

static void test_often_rung(void **state)
{
	uint64_t rung;

	front_setup(&f, &lazy);
	front_assign(&f);
	assert_int_equal(front_ring(&f, 2 * OFTEN), 0);
	front_wait_installed(&f, 1);
	rung = front_stats(&f).rung;
	assert_int_equal(front_ring(&f, 1000), 0);
	assert_int_equal(front_stats(&f).rung, rung);
	assert_int_equal(front_taken(f.efd), 2 * OFTEN + 1000);
	front_deassign(&f);
	assert_int_equal(front_stats(&f).never_known, 0);
	assert_int_equal(front_ring(&f, 10), 10);
	assert_int_equal(front_taken(f.efd), 0);
	front_teardown(&f);
}

static unsigned int doorbells_seen, zones_seen;

static void see_doorbell(const struct bf_front *front,
			 const struct kvm_ioeventfd *arg, int ret)
{
	doorbells_seen += arg->addr == FIXTURE_WINDOW && !ret;
}

static void see_zone(const struct bf_front *front,
		     const struct kvm_coalesced_mmio_zone *zone, int ret)
{
	zones_seen += zone->addr == FIXTURE_WINDOW && !ret;
}

static const struct bf_front_watch watch = {
	.doorbell = see_doorbell,
	.zone = see_zone,
};

/* Whoever watches hears of a doorbell once the kernel has it, not before. */
static void test_watched(void **state)
{
	doorbells_seen = 0;
	bf_front_watch = &watch;
	front_setup(&f, &lazy);
	front_assign(&f);
	assert_int_equal(doorbells_seen, 0);
	assert_int_equal(front_ring(&f, 2 * OFTEN), 0);
	front_wait_installed(&f, 1);
	assert_int_equal(doorbells_seen, 1);
	front_teardown(&f);
	bf_front_watch = NULL;
}

/* ... and of a zone. */
static void test_watched_zone(void **state)
{
	zones_seen = 0;
	bf_front_watch = &watch;
	front_setup(&f, &lazy);
	assert_int_equal(front_zone(&f, KVM_REGISTER_COALESCED_MMIO,
				    FIXTURE_WINDOW, 8),
			 0);
	assert_int_equal(zones_seen, 0);
	bf_front_give_all(f.front);
	assert_int_equal(front_stats(&f).zones_installed, 1);
	assert_int_equal(zones_seen, 1);
	front_teardown(&f);
	bf_front_watch = NULL;
}

/* Only what was rung goes, not what stands beside it. */
static void test_others_stay(void **state)
{
	struct kvm_ioeventfd other;

	front_setup(&f, &lazy);
	other = front_doorbell(&f, 0);
	other.addr += 8;
	assert_int_equal(bf_front_ioeventfd(f.front, &other), 0);
	front_assign(&f);
	front_ring(&f, 2 * OFTEN);
	front_wait_installed(&f, 1);
	other.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(f.front, &other), 0);
	assert_int_equal(front_stats(&f).never_known, 1);
	front_teardown(&f);
}

/* The helper moves the doorbell at any moment; each write rings once. */
static void move_once(void)
{
	enum { RINGS = 1500 };

	front_assign(&f);
	front_start_ringing(&f, RINGS);
	assert_int_equal(front_join_ringers(&f), 0);
	assert_int_equal(front_taken(f.efd), FRONT_VCPUS * RINGS);
	front_wait_installed(&f, front_stats(&f).assigned);
	front_deassign(&f);
}

static void test_moved_while_ringing(void **state)
{
	unsigned int i;

	front_setup(&f, &lazy);
	for (i = 0; i < MOVES; i++)
		move_once();
	assert_int_equal(front_stats(&f).installed, MOVES);
	front_teardown(&f);
}

/* The removal meets the doorbell in any state of its move. */
static void test_removed_while_it_moves(void **state)
{
	enum { RINGS = 1000 };
	unsigned int i;
	uint64_t taken;

	front_setup(&f, &lazy);
	for (i = 0; i < MOVES; i++) {
		front_assign(&f);
		front_start_ringing(&f, RINGS);
		usleep(1000 + i * 100);
		front_deassign(&f);
		taken = front_taken(f.efd);
		taken += front_join_ringers(&f);
		assert_int_equal(front_taken(f.efd), 0);
		assert_int_equal(taken, FRONT_VCPUS * RINGS);
	}
	front_teardown(&f);
}

/* A call that may stall is under way: no install, however long it takes. */
static void test_waits_for_calls(void **state)
{
	front_setup(&f, &lazy);
	front_assign(&f);
	bf_front_call_begins(f.front, SLOT_CALL);
	front_ring(&f, 4 * OFTEN);
	usleep(20000);
	assert_int_equal(front_stats(&f).installed, 0);
	bf_front_call_ends(f.front, SLOT_CALL);
	front_wait_installed(&f, 1);
	front_teardown(&f);
}

/* Calls that change nothing do not keep it from being quiet. */
static void test_minds_only_what_stalls(void **state)
{
	front_setup(&f, &lazy);
	front_assign(&f);
	bf_front_call_begins(f.front, (uint32_t)KVM_IRQ_LINE);
	front_ring(&f, 4 * OFTEN);
	front_wait_installed(&f, 1);
	bf_front_call_ends(f.front, (uint32_t)KVM_IRQ_LINE);
	front_teardown(&f);
}

/* Who ends the VM waits for no quiet moment: what is pending is dropped. */
static void test_stopped_while_pending(void **state)
{
	front_setup(&f, &restless);
	front_assign(&f);
	front_deassign(&f); /* from now on it is not quiet */
	front_assign(&f);
	front_ring(&f, 2000);
	bf_front_stop(f.front);
	assert_int_equal(front_stats(&f).installed, 0);
	assert_int_equal(front_ring(&f, 2000), 0);
	assert_int_equal(front_taken(f.efd), 4000);
	front_teardown(&f);
}

static void test_stopped_while_ringing(void **state)
{
	unsigned int i;

	for (i = 0; i < MOVES; i++) {
		front_setup(&f, &lazy);
		front_assign(&f);
		front_start_ringing(&f, 500);
		usleep(i * 150);
		bf_front_stop(f.front);
		assert_int_equal(front_join_ringers(&f), 0);
		assert_int_equal(front_taken(f.efd), FRONT_VCPUS * 500);
		front_teardown(&f);
	}
}

static void on_signal(int sig)
{
	/* Only the test's own thread may come here. */
	assert_int_equal(getpid(), gettid());
}

/* The VMM's signals are not the helper's to take. */
static void test_helper_takes_no_signal(void **state)
{
	struct sigaction action = {.sa_handler = on_signal}, old;
	unsigned int i;

	sigaction(SIGUSR1, &action, &old);
	front_setup(&f, &lazy);
	front_assign(&f);
	front_ring(&f, 2 * OFTEN);
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

/* Plain exits at first, and the ring's after as many as make it worth it. */
static void test_zone_moves(void **state)
{
	front_setup(&f, &lazy);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 16), 0);
	assert_int_equal(front_ring(&f, 10), 10);
	assert_int_equal(front_stats(&f).zones_installed, 0);
	assert_in_range(front_ring(&f, 2 * OFTEN), OFTEN / 2, 2 * OFTEN);
	front_wait_zones_installed(&f, 1);
	assert_int_equal(front_ring(&f, 10), 0);
	assert_int_equal(unregister_zone(FIXTURE_WINDOW, 16), 0);
	assert_int_equal(front_ring(&f, 10), 10);
	front_teardown(&f);
}

/* A zone in the kernel would swallow the writes of a pending doorbell. */
static void test_doorbell_goes_before_its_zone(void **state)
{
	front_setup(&f, &lazy);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 16), 0);
	front_ring(&f, 2 * OFTEN);
	front_wait_zones_installed(&f, 1);
	front_assign(&f);
	assert_int_equal(front_stats(&f).installed, 1);
	front_ring(&f, 10);
	assert_int_equal(front_taken(f.efd), 10);
	front_deassign(&f);
	front_teardown(&f);
}

/* The doorbell alone is rung, so the zone has no reason to go: then both. */
static void test_zone_takes_its_doorbell_along(void **state)
{
	struct kvm_ioeventfd aside;

	front_setup(&f, &lazy);
	aside = front_doorbell(&f, 0);
	aside.addr += 8;
	assert_int_equal(bf_front_ioeventfd(f.front, &aside), 0);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 16), 0);
	front_ring(&f, 2 * OFTEN);
	front_wait_zones_installed(&f, 1);
	assert_int_equal(front_stats(&f).installed, 1);
	front_teardown(&f);
}

/* By containment, as in the kernel, which need not be asked. */
static void test_zones_that_the_kernel_never_knew(void **state)
{
	front_setup(&f, &lazy);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 0x100), 0);
	assert_int_equal(register_zone(FIXTURE_WINDOW, 0x100), 0);
	assert_int_equal(unregister_zone(FIXTURE_WINDOW + 0x10, 4), 0);
	assert_int_equal(unregister_zone(FIXTURE_WINDOW + 0x10, 4), 0);
	front_ring(&f, 2 * OFTEN);
	usleep(5000);
	assert_int_equal(front_stats(&f).zones, 2);
	assert_int_equal(front_stats(&f).zones_installed, 0);
	front_teardown(&f);
}

/* What fits is counted by the kernel, so it is asked before it is full. */
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

static void test_zone_of_no_space(void **state)
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
		cmocka_unit_test(test_rarely_rung),
		cmocka_unit_test(test_often_rung),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_watched_zone),
		cmocka_unit_test(test_others_stay),
		cmocka_unit_test(test_moved_while_ringing),
		cmocka_unit_test(test_removed_while_it_moves),
		cmocka_unit_test(test_waits_for_calls),
		cmocka_unit_test(test_minds_only_what_stalls),
		cmocka_unit_test(test_stopped_while_pending),
		cmocka_unit_test(test_stopped_while_ringing),
		cmocka_unit_test(test_helper_takes_no_signal),
		cmocka_unit_test(test_zone_moves),
		cmocka_unit_test(test_doorbell_goes_before_its_zone),
		cmocka_unit_test(test_zone_takes_its_doorbell_along),
		cmocka_unit_test(test_zones_that_the_kernel_never_knew),
		cmocka_unit_test(test_one_zone_too_many),
		cmocka_unit_test(test_zone_of_no_space),
	};

	return cmocka_run_group_tests_name("front_lazy", tests, NULL, NULL);
}
