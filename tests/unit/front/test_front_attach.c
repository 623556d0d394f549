// SPDX-License-Identifier: MIT
/* The public front, before a VM that belfry did not open. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "belfry/front.h"
#include "belfry/io_bus.h"
#include "belfry/memslots.h"
#include "front/internal.h"
#include "own_vm.h"
#include "tests/flags.h"

#define PORT  OWN_PORT
#define FLAGS OWN_PORT_FLAGS

static const struct bf_front_config never = {.policy = BF_POLICY_NEVER};
static const struct bf_front_config eager = {.policy = BF_POLICY_EAGER};

static struct own_vm vm;
static struct bf_front *front;
static struct bf_front_vcpu *vcpu;
static int efd;

static void setup(const struct bf_front_config *config)
{
	own_vm_create(&vm);
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(bf_front_attach(vm.fd, config, &front), 0);
	assert_int_equal(
		bf_front_attach_vcpu(front, vm.vcpu, vm.run, NULL, &vcpu), 0);
}

static void teardown(void)
{
	bf_front_detach_vcpu(vcpu);
	bf_front_destroy(front);
	own_vm_destroy(&vm);
	close(efd);
}

static int change_doorbell(uint64_t addr, uint32_t flags)
{
	struct kvm_ioeventfd arg = own_doorbell(efd, addr, flags);

	return bf_front_ioctl(front, KVM_IOEVENTFD, &arg);
}

/* The loop of the manual. */
static int run(void)
{
	int ret;

	do {
		bf_front_before_run(vcpu);
		ret = ioctl(vm.vcpu, KVM_RUN, 0);
	} while (bf_front_after_run(vcpu, ret));
	return ret;
}

static void signal_port(uint16_t times)
{
	own_vm_code(&vm, OWN_CODE, &own_signal_port);
	own_vcpu_start(vm.vcpu, OWN_CODE, times);
}

static struct bf_front_stats stats(void)
{
	struct bf_front_stats stats;

	bf_front_get_stats(front, &stats);
	return stats;
}

static void test_bad_arguments(void **state)
{
	struct bf_front_config config = {.policy = BF_POLICY_EAGER + 1};

	own_vm_create(&vm);
	front = NULL;
	efd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(bf_front_attach(vm.fd, &config, &front), -EINVAL);
	config = (struct bf_front_config){.reserved = {0, 0, 0, 1}};
	assert_int_equal(bf_front_attach(vm.fd, &config, &front), -EINVAL);
	assert_int_equal(bf_front_attach(vm.kvm, NULL, &front), -ENOTTY);
	assert_int_equal(bf_front_attach(efd, NULL, &front), -ENOTTY);
	close(efd);
	assert_int_equal(bf_front_attach(efd, NULL, &front), -EBADF);
	assert_null(front);
	assert_int_equal(bf_front_attach(vm.fd, NULL, &front), 0);
	assert_int_equal(bf_front_attach_vcpu(front, vm.vcpu, NULL, NULL, NULL),
			 -EINVAL);
	bf_front_destroy(front);
	own_vm_destroy(&vm);
}

/* Doorbells of the front, and exits that stay the caller's. */
static void test_own_loop(void **state)
{
	struct kvm_ioeventfd arg;
	uint64_t signals = 0;
	bool installed = true;

	setup(&never);
	assert_int_equal(change_doorbell(PORT, FLAGS), 0);
	assert_int_equal(change_doorbell(PORT, FLAGS), -EEXIST);
	signal_port(5);
	assert_int_equal(run(), 0);
	assert_int_equal(vm.run->exit_reason, OWN_END);
	assert_int_equal(own_count(efd), 5);
	arg = own_doorbell(-1, PORT, FLAGS);
	assert_int_equal(bf_front_doorbell_signals(front, &arg, &signals,
						   &installed),
			 0);
	assert_int_equal(signals, 5);
	assert_false(installed);
	assert_int_equal(
		change_doorbell(PORT, FLAGS | KVM_IOEVENTFD_FLAG_DEASSIGN), 0);
	assert_int_equal(bf_front_doorbell_signals(front, &arg, &signals,
						   &installed),
			 -ENOENT);
	signal_port(1);
	assert_int_equal(run(), 0);
	assert_int_equal(vm.run->exit_reason, OWN_PORT_EXIT);
	assert_int_equal(stats().signalled, 5);
	assert_int_equal(stats().never_installed, 1);
	teardown();
}

static int remember_source(void *opaque, uint64_t offset,
			   const struct bf_io_access *access)
{
	*(void **)opaque = access->source;
	return 0;
}

/* A bus of the caller's: its devices serve exits, and learn the source. */
static void test_own_bus(void **state)
{
	static const struct bf_io_ops ops = {.write = remember_source};
	struct bf_front_config config = never;
	struct bf_io_range_desc range = {
		.addr = PORT, .size = 2, .space = OWN_PORT_SPACE, .ops = &ops};
	void *source = NULL;

	assert_int_equal(bf_io_bus_create("own", &config.bus), 0);
	range.opaque = &source;
	assert_int_equal(bf_io_add_range(config.bus, &range, NULL, NULL), 0);
	setup(&config);
	assert_ptr_equal(bf_front_bus(front), config.bus);
	bf_front_detach_vcpu(vcpu);
	assert_int_equal(
		bf_front_attach_vcpu(front, vm.vcpu, vm.run, &vm, &vcpu), 0);
	signal_port(1);
	assert_int_equal(run(), 0);
	assert_int_equal(vm.run->exit_reason, OWN_END);
	assert_ptr_equal(source, &vm);
	teardown();
	bf_io_bus_destroy(config.bus);
}

/* The VM goes on, and the kernel has what was pending. */
static void test_detach(void **state)
{
	struct kvm_ioeventfd arg;

	setup(&never);
	assert_int_equal(change_doorbell(PORT, FLAGS), 0);
	assert_int_equal(bf_front_detach(front), -EBUSY);
	bf_front_detach_vcpu(vcpu);
	assert_int_equal(bf_front_detach(front), 0);
	signal_port(3);
	assert_int_equal(ioctl(vm.vcpu, KVM_RUN, 0), 0);
	assert_int_equal(vm.run->exit_reason, OWN_END);
	assert_int_equal(own_count(efd), 3);
	/* The front has closed its duplicate: the last close raises POLLHUP. */
	arg = own_doorbell(efd, PORT, FLAGS | KVM_IOEVENTFD_FLAG_DEASSIGN);
	assert_int_equal(ioctl(vm.fd, KVM_IOEVENTFD, &arg), 0);
	own_vm_destroy(&vm);
	close(efd);
}

static struct {
	int detach; /* the vCPU's thread leaves the front */
	int alone;  /* and has left it */
	int stop;
	uint64_t writes;
} moving;

/* Signals without a pause, first through the front and then without it. */
static void *signal_without_end(void *opaque)
{
	while (!get(&moving.stop)) {
		if (get(&moving.detach) && vcpu) {
			bf_front_detach_vcpu(vcpu);
			vcpu = NULL;
			set(&moving.alone, 1);
		}
		own_vcpu_start(vm.vcpu, OWN_CODE, 50);
		if (vcpu ? run() :
			   ioctl(vm.vcpu, KVM_RUN, 0) ||
				    vm.run->exit_reason != OWN_END)
			return opaque; /* an exit that nothing served */
		moving.writes += 50;
	}
	return NULL;
}

/* Each write signals once while a VM leaves its front and its vCPU runs. */
static void test_detach_beside_vcpu(void **state)
{
	pthread_t thread;
	void *failed;

	memset(&moving, 0, sizeof(moving));
	setup(&never);
	assert_int_equal(change_doorbell(PORT, FLAGS), 0);
	signal_port(1);
	pthread_create(&thread, NULL, signal_without_end, &moving);
	for (int i = 0; i < 200; i++)
		assert_int_equal(bf_front_detach(front), -EBUSY);
	usleep(2000);
	assert_int_equal(bf_front_install_all(front), 0);
	set(&moving.detach, 1);
	wait_for(&moving.alone, 1);
	assert_int_equal(bf_front_detach(front), 0);
	usleep(2000);
	set(&moving.stop, 1);
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_true(moving.writes > 0);
	assert_int_equal(own_count(efd), moving.writes);
	own_vm_destroy(&vm);
	close(efd);
}

/* With 1,000 zones there is no room for a doorbell, so the front stays. */
static void test_detach_is_refused(void **state)
{
	struct kvm_coalesced_mmio_zone zone = {.addr = 0xe0000000, .size = 4};

	setup(&never);
	for (int i = 0; i < 1000; i++, zone.addr += 8)
		assert_int_equal(
			ioctl(vm.fd, KVM_REGISTER_COALESCED_MMIO, &zone), 0);
	assert_int_equal(change_doorbell(OWN_DOORBELL, 0), 0);
	bf_front_detach_vcpu(vcpu);
	assert_int_equal(bf_front_detach(front), -ENOSPC);
	assert_int_equal(
		bf_front_attach_vcpu(front, vm.vcpu, vm.run, NULL, &vcpu), 0);
	own_vm_code(&vm, OWN_CODE, &own_signal_mmio);
	own_vcpu_start(vm.vcpu, OWN_CODE, 2);
	assert_int_equal(run(), 0);
	assert_int_equal(own_count(efd), 2);
	teardown();
}

/* Each change of a map, refused ones apart, keeps installs away for a while. */
static void test_slot_changes_are_bracketed(void **state)
{
	struct kvm_userspace_memory_region slot = {.slot = 1,
						   .guest_phys_addr = 0x100000,
						   .memory_size = OWN_MEMORY};
	struct bf_memslots_config map_config = {.forward = true};
	struct bf_front_config config = {.policy = BF_POLICY_LAZY};
	uint64_t before;

	own_vm_create(&vm);
	map_config.vm_fd = vm.fd;
	assert_int_equal(bf_memslots_create(&map_config, &config.memslots), 0);
	assert_int_equal(bf_front_attach(vm.fd, &config, &front), 0);
	before = front->last_call_ns;
	slot.userspace_addr = (uintptr_t)vm.memory;
	assert_int_equal(bf_memslots_set(config.memslots, &slot), 0);
	assert_true(front->last_call_ns > before);
	before = front->last_call_ns;
	bf_front_call_begins(front, KVM_CREATE_DEVICE);
	assert_int_equal(front->calls, 1);
	bf_front_call_ends(front, KVM_CREATE_DEVICE);
	assert_int_equal(front->calls, 0);
	assert_true(front->last_call_ns > before);
	before = front->last_call_ns;
	bf_front_call_begins(front, KVM_IRQ_LINE);
	bf_front_call_ends(front, KVM_IRQ_LINE);
	assert_int_equal(front->last_call_ns, before);
	bf_front_destroy(front);
	bf_memslots_destroy(config.memslots);
	own_vm_destroy(&vm);
}

/* Results of ioctls that are not the front's come through. */
static void test_other_ioctls(void **state)
{
	int fd;

	setup(NULL);
	fd = bf_front_ioctl(front, KVM_CREATE_VCPU, (void *)1);
	assert_true(fd > 0);
	assert_int_equal(bf_front_ioctl(front, KVM_CREATE_VCPU, (void *)1),
			 -EEXIST);
	assert_int_equal(bf_front_ioctl(front, KVM_CHECK_EXTENSION,
					(void *)KVM_CAP_IOEVENTFD),
			 1);
	close(fd);
	teardown();
}

/* A write to the doorbell came out as an exit, which is not complete yet. */
static void serve_first_signal(void)
{
	setup(&never);
	assert_int_equal(change_doorbell(PORT, FLAGS), 0);
	signal_port(2);
	assert_int_equal(ioctl(vm.vcpu, KVM_RUN, 0), 0);
	assert_true(bf_front_after_run(vcpu, 0));
}

/* immediate_exit stops the vCPU, and the page shows no doorbell. */
static void test_page_after_a_kick(void **state)
{
	serve_first_signal();
	vm.run->immediate_exit = 1;
	assert_int_equal(run(), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(vm.run->exit_reason, KVM_EXIT_INTR);
	assert_int_equal(vm.run->immediate_exit, 1);
	assert_int_equal(own_vcpu_pc(vm.vcpu),
			 OWN_CODE + own_signal_port.store);
	vm.run->immediate_exit = 0;
	assert_int_equal(run(), 0);
	assert_int_equal(own_count(efd), 2);
	teardown();
}

static void test_complete(void **state)
{
	serve_first_signal();
	assert_int_equal(bf_front_complete(vcpu), -EINTR);
	assert_int_equal(vm.run->exit_reason, KVM_EXIT_INTR);
	assert_int_equal(vm.run->immediate_exit, 0);
	assert_int_equal(own_count(efd), 1);
	assert_int_equal(own_vcpu_pc(vm.vcpu),
			 OWN_CODE + own_signal_port.store);
	teardown();
}

/* A handler jumped out of bf_front_complete(): one EINTR, and no more. */
static void test_interrupted_completion(void **state)
{
	setup(&never);
	assert_int_equal(change_doorbell(PORT, FLAGS), 0);
	signal_port(1);
	vm.run->immediate_exit = 2;
	assert_int_equal(run(), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(run(), 0);
	assert_int_equal(vm.run->exit_reason, OWN_END);
	teardown();
}

/*
 * A write across a page: the first half is a doorbell, the second is the
 * caller's.  A kick that comes while the first half is completed survives.
 */
static struct {
	pthread_t thread;
	int stop;
	int kicked;
	long lost;
} kicker;

static void set_immediate_exit(int sig)
{
	vm.run->immediate_exit = 1;
}

/* A kick is lost if the vCPU goes through many exits without an EINTR. */
static void *kick(void *opaque)
{
	for (int i = 0; i < 400; i++) {
		set(&kicker.kicked, 1);
		pthread_kill(kicker.thread, SIGUSR1);
		usleep(50 + 7 * (i % 30));
		for (int ms = 0; get(&kicker.kicked) && ms < 2000; ms++)
			usleep(1000);
		kicker.lost += get(&kicker.kicked);
		set(&kicker.kicked, 0);
	}
	set(&kicker.stop, 1);
	pthread_kill(kicker.thread, SIGUSR1);
	return NULL;
}

/* As preload/interpose/run.c for a program that kicks by a flag. */
static int run_and_complete(void)
{
	int ret = ioctl(vm.vcpu, KVM_RUN, 0);

	if (!bf_front_after_run(vcpu, ret))
		return ret < 0 ? -errno : 0;
	return bf_front_complete(vcpu);
}

static void test_kick_beside_completion(void **state)
{
	struct sigaction action = {.sa_handler = set_immediate_exit};
	pthread_t thread;

	setup(&never);
	sigaction(SIGUSR1, &action, NULL);
	assert_int_equal(change_doorbell(OWN_ACROSS, 0), 0);
	own_vm_code(&vm, OWN_CODE, &own_write_across);
	own_vcpu_start(vm.vcpu, OWN_CODE, 0);
	kicker.thread = pthread_self();
	pthread_create(&thread, NULL, kick, NULL);
	while (!get(&kicker.stop)) {
		if (run_and_complete() != -EINTR)
			continue;
		/* The program's own stores: it acknowledges the kick. */
		if (__atomic_exchange_n(&vm.run->immediate_exit, 0,
					__ATOMIC_ACQUIRE))
			set(&kicker.kicked, 0);
	}
	pthread_join(thread, NULL);
	assert_int_equal(kicker.lost, 0);
	assert_true(own_count(efd) > 0);
	signal(SIGUSR1, SIG_DFL);
	teardown();
}

/* Runs three stores of which a doorbell matches the piece in the second page. */
static uint64_t store_across_a_page(const struct bf_front_config *config)
{
	uint64_t signals;

	setup(config);
	assert_int_equal(change_doorbell(OWN_ACROSS + 2, 0), 0);
	own_vm_code(&vm, OWN_CODE, &own_write_across);
	own_vcpu_start(vm.vcpu, OWN_CODE, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(run(), 0);
		assert_int_equal(vm.run->exit_reason, KVM_EXIT_MMIO);
		assert_int_equal(vm.run->mmio.phys_addr, OWN_ACROSS);
		assert_int_equal(vm.run->mmio.len, 2);
	}
	signals = own_count(efd);
	teardown();
	return signals;
}

/* The VMM gets the other piece alone, but the kernel signals before that. */
static void test_second_page_of_a_store(void **state)
{
	if (OWN_ACROSS == OWN_DOORBELL)
		skip();
	assert_int_equal(store_across_a_page(&eager), 3);
	assert_int_equal(store_across_a_page(&never), 2);
}

#ifdef __x86_64__
#define PART(n) (OWN_DOORBELL + 8 * (n))

static void assign_8(uint64_t addr)
{
	struct kvm_ioeventfd arg = own_doorbell(efd, addr, 0);

	arg.len = 8;
	assert_int_equal(bf_front_ioctl(front, KVM_IOEVENTFD, &arg), 0);
}

static void start(const struct own_code *code)
{
	own_vm_code(&vm, OWN_CODE, code);
	own_vcpu_start(vm.vcpu, OWN_CODE, 0);
}

static void expect_part(int n)
{
	assert_int_equal(run(), 0);
	assert_int_equal(vm.run->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(vm.run->mmio.phys_addr, PART(n));
	assert_int_equal(vm.run->mmio.len, 8);
}

static void expect_end(void)
{
	assert_int_equal(run(), 0);
	assert_int_equal(vm.run->exit_reason, KVM_EXIT_HLT);
	assert_int_equal(vm.run->immediate_exit, 0);
}

/* Of a store the VMM gets each part behind the first that no doorbell takes. */
static void parts_of_a_store(const struct bf_front_config *config)
{
	setup(config);
	assign_8(PART(1));
	start(&own_store_16);
	expect_part(0);
	expect_part(1);
	expect_end();
	assert_int_equal(own_count(efd), 0);
	start(&own_store_8_twice);
	expect_part(0);
	expect_end();
	assert_int_equal(own_count(efd), 1);
	teardown();
	setup(config);
	assign_8(PART(0));
	start(&own_store_16);
	expect_part(1);
	expect_end();
	assert_int_equal(own_count(efd), 1);
	teardown();
}

/* As the kernel's doorbells, the front's. */
static void test_parts_of_a_store(void **state)
{
	parts_of_a_store(&eager);
	parts_of_a_store(&never);
}

/* The caller's kick comes while a store may have another part. */
static void test_kick_between_parts(void **state)
{
	setup(&never);
	assign_8(PART(1));
	start(&own_store_16);
	expect_part(0);
	vm.run->immediate_exit = 1;
	expect_part(1);
	assert_int_equal(vm.run->immediate_exit, 1);
	assert_int_equal(run(), -1);
	vm.run->immediate_exit = 0;
	expect_end();
	start(&own_store_8_twice);
	expect_part(0);
	vm.run->immediate_exit = 1;
	assert_int_equal(run(), -1);
	assert_int_equal(errno, EINTR);
	assert_int_equal(vm.run->immediate_exit, 1);
	assert_int_equal(own_count(efd), 0);
	vm.run->immediate_exit = 0;
	expect_end();
	assert_int_equal(own_count(efd), 1);
	teardown();
}
#endif

/* Under a debugger the kernel has the doorbells, so that no step is missing. */
static void test_stepping(void **state)
{
	struct kvm_guest_debug debug = {.control = KVM_GUESTDBG_ENABLE |
						   KVM_GUESTDBG_SINGLESTEP};

	setup(&never);
	assert_int_equal(change_doorbell(PORT, FLAGS), 0);
	signal_port(2);
	bf_front_set_stepping(vcpu, true);
	assert_int_equal(ioctl(vm.vcpu, KVM_SET_GUEST_DEBUG, &debug), 0);
	for (int i = 1; i <= 2; i++) {
		for (int step = 0; step < own_signal_port.round; step++) {
			assert_int_equal(run(), 0);
			assert_int_equal(vm.run->exit_reason, KVM_EXIT_DEBUG);
			assert_int_equal(own_count(efd), step == 0);
		}
	}
	/* One that is assigned meanwhile goes to the kernel, too. */
	assert_int_equal(change_doorbell(PORT + 2, FLAGS), 0);
	assert_int_equal(stats().installed, 2);
	bf_front_set_stepping(vcpu, false);
	assert_int_equal(change_doorbell(PORT + 4, FLAGS), 0);
	assert_int_equal(stats().installed, 2);
	teardown();
}

/* The thread of lazy can be there before a vCPU thread needs it. */
static void test_thread_is_started(void **state)
{
	const struct bf_front_config config = {.install_after = 4};

	setup(&config);
	assert_int_equal(stats().install_after, 4);
	assert_false(front->helper.started);
	assert_int_equal(bf_front_start_thread(front), 0);
	assert_true(front->helper.started);
	assert_int_equal(bf_front_start_thread(front), 0);
	teardown();
	setup(&never);
	assert_int_equal(bf_front_start_thread(front), 0);
	assert_false(front->helper.started);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_own_loop),
		cmocka_unit_test(test_own_bus),
		cmocka_unit_test(test_detach),
		cmocka_unit_test(test_detach_beside_vcpu),
		cmocka_unit_test(test_detach_is_refused),
		cmocka_unit_test(test_slot_changes_are_bracketed),
		cmocka_unit_test(test_other_ioctls),
		cmocka_unit_test(test_page_after_a_kick),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_interrupted_completion),
		cmocka_unit_test(test_kick_beside_completion),
		cmocka_unit_test(test_second_page_of_a_store),
#ifdef __x86_64__
		cmocka_unit_test(test_parts_of_a_store),
		cmocka_unit_test(test_kick_between_parts),
#endif
		cmocka_unit_test(test_stepping),
		cmocka_unit_test(test_thread_is_started),
	};

	return cmocka_run_group_tests_name("front_attach", tests, NULL, NULL);
}
