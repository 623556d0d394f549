// SPDX-License-Identifier: MIT
/*
 * No exit waits for a slow kernel.  The test is linked with --wrap=syscall, and
 * the wrapper stands for the kernel: an ioctl returns only after the exits have
 * been handled, so an exit that waits for the ioctl hangs.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/flags.h"
#include "front/internal.h"
#include "io_bus/bus.h"
#include "srcu/gp.h"

#define MOVED 0x1000u /* the doorbell of the slow call */
#define OTHER 0x2000u
#define ZONE  0x4000u

static int is_slow; /* the next ioctl is slow */
static int inside;  /* a thread is in the slow ioctl */
static int go;	    /* the slow ioctl returns */

static __thread unsigned int ioctls; /* of this thread */
static __thread jmp_buf *left_write; /* where a signal jumps to */

static struct bf_front *front;
static int efd;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static long answer_slowly(void)
{
	ioctls++;
	if (!get(&is_slow))
		return 0;
	set(&inside, 1);
	wait_for(&go, 1);
	return 0;
}

long __wrap_syscall(long number, ...)
{
	va_list list;
	long args[6];

	if (number == SYS_ioctl)
		return answer_slowly();
	if (number == SYS_write && left_write)
		longjmp(*left_write, 1);
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		args[i] = va_arg(list, long);
	va_end(list);
	return __real_syscall(number, args[0], args[1], args[2], args[3],
			      args[4], args[5]);
}

static int doorbell(uint64_t addr, uint32_t flags)
{
	const struct kvm_ioeventfd arg = {
		.addr = addr,
		.len = 4,
		.fd = efd,
		.flags = flags,
	};

	return bf_front_ioeventfd(front, &arg);
}

static bool handle_exit(uint64_t addr)
{
	struct kvm_run run = {.exit_reason = KVM_EXIT_MMIO};
	struct bf_front_vcpu *vcpu;
	bool served;

	run.mmio.phys_addr = addr;
	run.mmio.len = 4;
	run.mmio.is_write = 1;
	assert_int_equal(bf_front_attach_vcpu(front, -1, &run, NULL, &vcpu), 0);
	served = bf_front_after_run(vcpu, 0);
	bf_front_detach_vcpu(vcpu);
	return served;
}

static void before_run(void)
{
	struct kvm_run run;
	struct bf_front_vcpu *vcpu;

	assert_int_equal(bf_front_attach_vcpu(front, -1, &run, NULL, &vcpu), 0);
	bf_front_before_run(vcpu);
	bf_front_detach_vcpu(vcpu);
}

static void check_signal(uint64_t addr)
{
	uint64_t count = 0;

	assert_true(handle_exit(addr));
	assert_int_equal(read(efd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(count, 1);
}

static void setup(const struct bf_front_config *config)
{
	is_slow = inside = go = 0;
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Any descriptor will do, because the wrapper answers its ioctls. */
	assert_int_equal(bf_front_attach(efd, config, &front), 0);
	assert_int_equal(doorbell(MOVED, 0), 0);
	assert_int_equal(doorbell(OTHER, 0), 0);
}

static void teardown(void)
{
	bf_front_destroy(front);
	close(efd);
}

static void *install(void *unused)
{
	before_run();
	return NULL;
}

static void *remove_doorbell(void *unused)
{
	assert_int_equal(doorbell(MOVED, KVM_IOEVENTFD_FLAG_DEASSIGN), 0);
	return NULL;
}

static void *add_zone(void *unused)
{
	const struct kvm_coalesced_mmio_zone zone = {.addr = ZONE, .size = 8};

	assert_int_equal(
		bf_front_zone(front, KVM_REGISTER_COALESCED_MMIO, &zone), 0);
	return NULL;
}

static void *remove_zone(void *unused)
{
	const struct kvm_coalesced_mmio_zone zone = {.addr = ZONE, .size = 8};

	assert_int_equal(
		bf_front_zone(front, KVM_UNREGISTER_COALESCED_MMIO, &zone), 0);
	return NULL;
}

/* Handles exits while @call is in the kernel; @moved: those of MOVED, too. */
static void check_exits_during(void *(*call)(void *), bool moved)
{
	pthread_t thread;

	set(&is_slow, 1);
	pthread_create(&thread, NULL, call, NULL);
	wait_for(&inside, 1);
	if (moved)
		check_signal(MOVED);
	check_signal(OTHER);
	assert_false(handle_exit(OTHER + 4));
	before_run();
	set(&go, 1);
	pthread_join(thread, NULL);
	check_signal(OTHER);
}

static const struct bf_front_config first_run = {
	.policy = BF_POLICY_FIRST_RUN,
};

static void test_exits_during_install(void **state)
{
	setup(&first_run);
	check_exits_during(install, true);
	check_signal(MOVED);
	teardown();
}

static void test_exits_during_removal(void **state)
{
	setup(&first_run);
	before_run();
	check_exits_during(remove_doorbell, false);
	assert_false(handle_exit(MOVED));
	teardown();
}

static void test_exits_during_zone(void **state)
{
	const struct bf_front_config at_once = {
		.policy = BF_POLICY_NEVER,
		.zones_at_once = true,
	};

	setup(&at_once);
	check_exits_during(add_zone, true);
	teardown();
}

/* The front's helper thread makes the slow call. */
static void test_exits_during_helper_install(void **state)
{
	const struct bf_front_config lazy = {
		.policy = BF_POLICY_LAZY,
		.install_after = 1,
		.quiet_ms = 1,
	};

	setup(&lazy);
	set(&is_slow, 1);
	check_signal(MOVED);
	wait_for(&inside, 1);
	check_signal(MOVED);
	check_signal(OTHER);
	set(&go, 1);
	teardown();
}

/* The assignment of another doorbell does not wait either. */
static void test_assign_during_install(void **state)
{
	pthread_t thread;

	setup(&first_run);
	set(&is_slow, 1);
	pthread_create(&thread, NULL, install, NULL);
	wait_for(&inside, 1);
	assert_int_equal(doorbell(OTHER + 8, 0), 0);
	check_signal(OTHER + 8);
	assert_int_equal(doorbell(OTHER + 8, KVM_IOEVENTFD_FLAG_DEASSIGN), 0);
	set(&go, 1);
	pthread_join(thread, NULL);
	teardown();
}

/* Returns the ioctls that one KVM_RUN makes. */
static unsigned int count_ioctls(void)
{
	ioctls = 0;
	before_run();
	return ioctls;
}

/* Waits until the kernel has got as many doorbells and zones. */
static void wait_installed(uint64_t count)
{
	struct bf_front_stats stats;

	do {
		usleep(1000);
		bf_front_get_stats(front, &stats);
	} while (stats.installed + stats.zones_installed < count);
	assert_int_equal(stats.installed + stats.zones_installed, count);
}

/* The helper installs the rest of many doorbells. */
static void test_run_installs_a_batch(void **state)
{
	const unsigned int many = 2000;

	setup(&first_run);
	for (unsigned int i = 2; i < many; i++)
		assert_int_equal(doorbell(OTHER + 8 * i, 0), 0);
	assert_in_range(count_ioctls(), 1, 16);
	wait_installed(many);
	assert_int_equal(count_ioctls(), 0);
	/* The kernel copies a long table for one more. */
	assert_int_equal(doorbell(OTHER + 8, 0), 0);
	assert_int_equal(count_ioctls(), 0);
	wait_installed(many + 1);
	teardown();
}

/* Another thread holds the lock, as in a removal: the helper installs. */
static void test_run_takes_no_lock(void **state)
{
	setup(&first_run);
	pthread_mutex_lock(&front->lock);
	assert_int_equal(count_ioctls(), 0);
	pthread_mutex_unlock(&front->lock);
	wait_installed(2);
	teardown();
}

/* Another thread changes the zones, and the kernel sleeps in its call. */
static void test_run_beside_a_zone(void **state)
{
	pthread_t thread;

	setup(&first_run);
	add_zone(NULL);
	before_run();
	wait_installed(3);
	set(&is_slow, 1);
	pthread_create(&thread, NULL, remove_zone, NULL);
	wait_for(&inside, 1);
	set(&is_slow, 0);
	assert_int_equal(doorbell(OTHER + 8, 0), 0);
	assert_int_equal(count_ioctls(), 1);
	set(&go, 1);
	pthread_join(thread, NULL);
	wait_installed(4);
	teardown();
}

static void jump_out_of_exit(struct bf_front_vcpu *vcpu)
{
	jmp_buf here;

	left_write = &here;
	if (!setjmp(here))
		bf_front_after_run(vcpu, 0);
	left_write = NULL;
	bf_front_leave_run(vcpu);
}

/* The end of the bus waits for neither domain. */
static void jump_out_of_last_exit(struct kvm_run *run)
{
	struct bf_front_vcpu *vcpu;

	assert_int_equal(bf_front_attach_vcpu(front, -1, run, NULL, &vcpu), 0);
	jump_out_of_exit(vcpu);
	bf_front_detach_vcpu(vcpu);
}

static void *handle_exits(void *vcpu)
{
	while (!get(&go))
		bf_front_after_run(vcpu, 0);
	return NULL;
}

static bool has_readers(void)
{
	return bf_srcu_gp_readers(&front->bus->srcu) ||
	       bf_srcu_gp_readers(&front->bus->consumer_srcu);
}

static const struct bf_front_config never = {
	.policy = BF_POLICY_NEVER,
};

/*
 * A removal waits neither for the sections that jumps have left, nor without
 * the sections of another vCPU, which handles exits all the time.
 */
static void test_jumps_out_of_exits(void **state)
{
	struct kvm_run runs[2] = {{.exit_reason = KVM_EXIT_MMIO},
				  {.exit_reason = KVM_EXIT_MMIO}};
	struct bf_front_vcpu *vcpus[2];
	pthread_t thread;

	setup(&never);
	for (int i = 0; i < 2; i++) {
		runs[i].mmio.phys_addr = i ? OTHER : MOVED;
		runs[i].mmio.len = 4;
		runs[i].mmio.is_write = 1;
		assert_int_equal(bf_front_attach_vcpu(front, -1, &runs[i], NULL,
						      &vcpus[i]),
				 0);
	}
	pthread_create(&thread, NULL, handle_exits, vcpus[1]);
	for (int i = 0; i < 20; i++) {
		jump_out_of_exit(vcpus[0]);
		assert_int_equal(doorbell(MOVED, KVM_IOEVENTFD_FLAG_DEASSIGN),
				 0);
		assert_int_equal(doorbell(MOVED, 0), 0);
	}
	jump_out_of_exit(vcpus[0]);
	set(&go, 1);
	pthread_join(thread, NULL);
	assert_true(has_readers());
	for (int i = 0; i < 2; i++)
		bf_front_detach_vcpu(vcpus[i]);
	bf_io_synchronize(front->bus);
	synchronize_srcu_expedited(&front->bus->consumer_srcu);
	assert_false(has_readers());
	jump_out_of_last_exit(&runs[0]);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exits_during_install),
		cmocka_unit_test(test_exits_during_removal),
		cmocka_unit_test(test_exits_during_zone),
		cmocka_unit_test(test_exits_during_helper_install),
		cmocka_unit_test(test_assign_during_install),
		cmocka_unit_test(test_run_installs_a_batch),
		cmocka_unit_test(test_run_takes_no_lock),
		cmocka_unit_test(test_run_beside_a_zone),
		cmocka_unit_test(test_jumps_out_of_exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
