// SPDX-License-Identifier: MIT
/*
 * The front alone, its steps taken by hand: vCPUs ring while their doorbell
 * moves to the kernel, and the kernel refuses.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "flags.h"
#include "tests/vm_fixture.h"
#include "vm/front.h"

#define VCPUS 2
#define RINGS 300
#define MOVES 50

static struct fixture fixture;
static struct fixture_vcpu vcpus[VCPUS];
static struct bf_front *front;
static int efd;

static int setup(void **state)
{
	const struct bf_front_config config = {
		.policy = BF_POLICY_FIRST_RUN,
		.zones_at_once = true,
	};
	unsigned int i;

	fixture.vm = NULL;
	if (!fixture_have_kvm())
		return 0;
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fixture_setup(&fixture, NULL);
	for (i = 0; i < VCPUS; i++)
		fixture_add_vcpu(&fixture, &vcpus[i], i);
	return bf_front_create(&front, bf_vm_fd(fixture.vm), &config, NULL);
}

static int teardown(void **state)
{
	unsigned int i;

	if (!fixture.vm)
		return 0;
	bf_front_destroy(front);
	for (i = 0; i < VCPUS; i++)
		bf_vcpu_destroy(vcpus[i].vcpu);
	fixture_teardown(&fixture);
	close(efd);
	return 0;
}

static uint64_t taken(void)
{
	uint64_t count = 0;

	return read(efd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static struct kvm_ioeventfd doorbell(uint32_t flags)
{
	return (struct kvm_ioeventfd){
		.addr = FIXTURE_WINDOW,
		.len = 4,
		.fd = efd,
		.flags = flags,
	};
}

/* A vCPU whose exits only the front answers; nothing may be left over. */
struct ringer {
	struct fixture_vcpu *vcpu;
	pthread_t thread;
	int started;
	unsigned int leaked;
};

static void *ring(void *arg)
{
	struct ringer *ringer = arg;
	struct kvm_run *page = bf_vcpu_page(ringer->vcpu->vcpu);

	set(&ringer->started, 1);
	while (ioctl(bf_vcpu_fd(ringer->vcpu->vcpu), KVM_RUN, 0) == 0 &&
	       page->exit_reason != KVM_EXIT_HLT)
		ringer->leaked += !bf_front_exit(front, page);
	return NULL;
}

static void start_ringing(struct ringer *ringers)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++) {
		ringers[i] = (struct ringer){.vcpu = &vcpus[i]};
		fixture_boot(&vcpus[i], &guest_ring_mmio4, FIXTURE_WINDOW,
			     RINGS, 1);
		pthread_create(&ringers[i].thread, NULL, ring, &ringers[i]);
	}
	for (i = 0; i < VCPUS; i++)
		wait_for(&ringers[i].started, 1);
}

/*
 * Both ring in user space already when the doorbell is installed, so an exit
 * may be on its way: it must still be matched here.
 */
static void move_once(unsigned int delay_us)
{
	struct kvm_ioeventfd arg = doorbell(0);
	struct ringer ringers[VCPUS];
	unsigned int i;

	assert_int_equal(bf_front_ioeventfd(front, &arg), 0);
	start_ringing(ringers);
	usleep(delay_us);
	bf_front_before_run(front);
	for (i = 0; i < VCPUS; i++) {
		pthread_join(ringers[i].thread, NULL);
		assert_int_equal(ringers[i].leaked, 0);
	}
	assert_int_equal(taken(), VCPUS * RINGS);
	arg.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(front, &arg), 0);
}

static void test_nothing_leaks_while_installed(void **state)
{
	struct bf_vm_stats stats;
	unsigned int i;

	if (!fixture.vm)
		skip();
	for (i = 0; i < MOVES; i++)
		move_once(100 + i % 7 * 150);
	bf_front_stats(front, &stats);
	assert_int_equal(stats.installed, MOVES);
	/* Some rang here, some in the kernel. */
	assert_in_range(stats.rung, 1, MOVES * VCPUS * RINGS - 1);
}

static int zone(unsigned long request, uint64_t addr, uint32_t size)
{
	struct kvm_coalesced_mmio_zone arg = {.addr = addr, .size = size};

	return bf_front_zone(front, request, &arg);
}

/* A thousand zones: the kernel takes nothing more. */
static void fill_with_zones(uint64_t first)
{
	unsigned int i;

	assert_int_equal(zone(KVM_REGISTER_COALESCED_MMIO, first, 16), 0);
	for (i = 1; i < 1000; i++)
		assert_int_equal(zone(KVM_REGISTER_COALESCED_MMIO,
				      0xe0000000 + 16 * i, 4),
				 0);
}

/* The zone would take its writes, so it must not seem to be there. */
static void test_refused_under_a_zone(void **state)
{
	struct kvm_ioeventfd arg = doorbell(0);

	if (!fixture.vm)
		skip();
	fill_with_zones(FIXTURE_WINDOW);
	assert_int_equal(bf_front_ioeventfd(front, &arg), -ENOSPC);
	assert_int_equal(
		zone(KVM_UNREGISTER_COALESCED_MMIO, FIXTURE_WINDOW, 16), 0);
	assert_int_equal(bf_front_ioeventfd(front, &arg), 0);
}

/* Refused when it was free to ring here; a zone that comes over it later. */
static void test_zone_over_a_refused_doorbell(void **state)
{
	struct kvm_ioeventfd arg = doorbell(0);
	struct bf_vm_stats stats;

	if (!fixture.vm)
		skip();
	fill_with_zones(0xe0000000);
	assert_int_equal(bf_front_ioeventfd(front, &arg), 0);
	bf_front_before_run(front);
	bf_front_stats(front, &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(zone(KVM_REGISTER_COALESCED_MMIO, FIXTURE_WINDOW, 16),
			 -ENOSPC);
	assert_int_equal(zone(KVM_UNREGISTER_COALESCED_MMIO, 0xe0000010, 4), 0);
	assert_int_equal(zone(KVM_REGISTER_COALESCED_MMIO, FIXTURE_WINDOW, 16),
			 0);
	bf_front_stats(front, &stats);
	assert_int_equal(stats.installed, 1);
	arg.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	assert_int_equal(bf_front_ioeventfd(front, &arg), 0);
	bf_front_stats(front, &stats);
	assert_int_equal(stats.never_known, 0);
}

/* The caller's own doorbell on the VM's bus is not the front's to remove. */
static void test_doorbell_of_the_bus_owner(void **state)
{
	const struct bf_vm_config config = {.engine = BF_ENGINE_TRAP};
	struct kvm_ioeventfd arg = doorbell(0);
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

#define FRONT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRONT_TEST(test_nothing_leaks_while_installed),
		FRONT_TEST(test_refused_under_a_zone),
		FRONT_TEST(test_zone_over_a_refused_doorbell),
		cmocka_unit_test(test_doorbell_of_the_bus_owner),
	};

	return cmocka_run_group_tests_name("front", tests, NULL, NULL);
}
