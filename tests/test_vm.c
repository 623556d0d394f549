// SPDX-License-Identifier: MIT
/* A VM whose guest rings, on both engines; and doorbells on the move. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/vm_fixture.h"
#include "util.h"

#define RINGS 100

static int efd;
static struct fixture fixture;
static struct fixture_vcpu vcpu;

static int setup_engine(const struct bf_vm_config *config)
{
	efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fixture_setup(&fixture, config);
	fixture_add_vcpu(&fixture, &vcpu, 0);
	return 0;
}

static int setup_kvm(void **state)
{
	static const struct bf_vm_config config = {
		.policy = BF_POLICY_FIRST_RUN,
	};

	fixture.vm = NULL;
	return fixture_have_kvm() ? setup_engine(&config) : 0;
}

static int setup_trap(void **state)
{
	static const struct bf_vm_config config = {.engine = BF_ENGINE_TRAP};

	return setup_engine(&config);
}

static int teardown(void **state)
{
	if (!fixture.vm)
		return 0;
	bf_vcpu_destroy(vcpu.vcpu);
	fixture_teardown(&fixture);
	close(efd);
	return 0;
}

static void need_vm(void)
{
	if (!fixture.vm)
		skip();
}

static uint64_t taken(void)
{
	uint64_t count = 0;

	return read(efd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static struct kvm_ioeventfd doorbell(uint64_t addr, uint32_t len,
				     uint32_t flags)
{
	return (struct kvm_ioeventfd){
		.addr = addr,
		.len = len,
		.fd = efd,
		.flags = flags,
	};
}

static int assign(uint64_t addr, uint32_t len, uint32_t flags)
{
	struct kvm_ioeventfd arg = doorbell(addr, len, flags);

	return bf_vm_ioeventfd(fixture.vm, &arg);
}

static int deassign(uint64_t addr, uint32_t len, uint32_t flags)
{
	return assign(addr, len, flags | KVM_IOEVENTFD_FLAG_DEASSIGN);
}

static void ring(const struct guest *guest, uint64_t target, uint64_t rings,
		 uint64_t value)
{
	fixture_boot(&vcpu, guest, target, rings, value);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
}

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

/* What does not match comes out to the caller, with its data. */
static void test_unclaimed_write_comes_out(void **state)
{
	struct kvm_run *run;

	need_vm();
	run = bf_vcpu_page(vcpu.vcpu);
	assert_int_equal(assign(FIXTURE_WINDOW, 4, 0), 0);
	fixture_boot(&vcpu, &guest_ring_mmio2, FIXTURE_WINDOW, 1, 0xbeef);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_MMIO);
	assert_int_equal(run->mmio.phys_addr, FIXTURE_WINDOW);
	assert_int_equal(run->mmio.len, 2);
	assert_int_equal(run->mmio.is_write, 1);
	assert_memory_equal(run->mmio.data, "\xef\xbe", 2);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);

	fixture_boot(&vcpu, &guest_ring_pio1, FIXTURE_PORT, 1, 0x42);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_IO);
	assert_int_equal(run->io.port, FIXTURE_PORT);
	assert_int_equal(run->io.size, 1);
	assert_int_equal(run->io.direction, KVM_EXIT_IO_OUT);
	assert_int_equal(*((char *)run + run->io.data_offset), 0x42);
	assert_int_equal(fixture_run(&vcpu), KVM_EXIT_HLT);
	assert_int_equal(taken(), 0);
}

/* A device on the bus that adds up what it is told. */
struct adder {
	uint64_t sum;
	uint64_t writes;
};

static int add_up(void *opaque, uint64_t offset, const void *data, uint32_t len)
{
	struct adder *adder = opaque;
	uint32_t value = 0;

	memcpy(&value, data, len < 4 ? len : 4);
	__atomic_fetch_add(&adder->sum, value, __ATOMIC_RELAXED);
	__atomic_fetch_add(&adder->writes, 1, __ATOMIC_RELAXED);
	return 0;
}

static uint64_t adder_writes(const struct adder *adder)
{
	return __atomic_load_n(&adder->writes, __ATOMIC_RELAXED);
}

static const struct bf_io_ops adder_ops = {.write = add_up};

static void add_adder(struct adder *adder, uint16_t space, uint64_t addr)
{
	const struct bf_io_range_desc desc = {
		.addr = addr,
		.size = 16,
		.space = space,
		.name = "adder",
		.ops = &adder_ops,
		.opaque = adder,
	};

	assert_int_equal(
		bf_io_add_range(bf_vm_bus(fixture.vm), &desc, NULL, NULL), 0);
}

static void test_device_gets_every_write(void **state)
{
	struct adder mmio = {0}, pio = {0};

	need_vm();
	add_adder(&mmio, BF_IO_MMIO, FIXTURE_WINDOW);
	add_adder(&pio, BF_IO_PIO, FIXTURE_PORT);
	ring(&guest_ring_mmio4, FIXTURE_WINDOW + 4, RINGS, 3);
	ring(&guest_ring_pio4, FIXTURE_PORT, RINGS, 5);
	assert_int_equal(mmio.sum, 3 * RINGS);
	assert_int_equal(mmio.writes, RINGS);
	assert_int_equal(pio.sum, 5 * RINGS);
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

	need_vm();
	sum = fill_values();
	add_adder(&pio, BF_IO_PIO, FIXTURE_PORT);
	ring(&guest_ring_pio_string, FIXTURE_PORT, 2 * FIXTURE_VALUES, 0);
	assert_int_equal(pio.writes, 2 * FIXTURE_VALUES);
	assert_int_equal(pio.sum, 2 * sum);
}

static void test_string_rings_once_an_element(void **state)
{
	need_vm();
	fill_values();
	assert_int_equal(assign(FIXTURE_PORT, 4, KVM_IOEVENTFD_FLAG_PIO), 0);
	ring(&guest_ring_pio_string, FIXTURE_PORT, 3 * FIXTURE_VALUES, 0);
	assert_int_equal(taken(), 3 * FIXTURE_VALUES);
}

static void test_unclaimed_string_comes_out_whole(void **state)
{
	struct kvm_run *run;
	uint32_t count = 0;

	need_vm();
	run = bf_vcpu_page(vcpu.vcpu);
	fill_values();
	fixture_boot(&vcpu, &guest_ring_pio_string, FIXTURE_PORT,
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

static void test_bad_machines(void **state)
{
	struct bf_vm_config config = {.kvm_path = "/nonexistent/kvm"};
	struct bf_vm *vm = NULL;

	assert_int_equal(bf_vm_create(&vm, &config), -ENOENT);
	config.kvm_path = "/dev/null";
	assert_int_equal(bf_vm_create(&vm, &config), -ENOTTY);
	config.policy = (enum bf_policy)99;
	assert_int_equal(bf_vm_create(&vm, &config), -EINVAL);
	config.policy = BF_POLICY_EAGER;
	config.engine = (enum bf_engine)99;
	assert_int_equal(bf_vm_create(&vm, &config), -EINVAL);
	config.engine = BF_ENGINE_TRAP;
	config.mmio_gpa = 1;
	config.mmio_size = 4096;
	assert_int_equal(bf_vm_create(&vm, &config), -EINVAL);
	assert_null(vm);
}

static void test_vcpu_ids(void **state)
{
	struct bf_vcpu *other;

	need_vm();
	assert_int_equal(bf_vcpu_create(fixture.vm, 0, &other), -EEXIST);
}

#define KVM_TEST(name)                                                      \
	cmocka_unit_test_prestate_setup_teardown(name, setup_kvm, teardown, \
						 NULL)
#define TRAP_TEST(name)                                         \
	{                                                       \
#name "_trap", name, setup_trap, teardown, NULL \
	}
#define BOTH(name) KVM_TEST(name), TRAP_TEST(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_machines),
		BOTH(test_mmio_doorbell),
		BOTH(test_pio_doorbell),
		BOTH(test_length_zero_takes_all_lengths),
		BOTH(test_unclaimed_write_comes_out),
		BOTH(test_device_gets_every_write),
		BOTH(test_string_reaches_device_in_full),
		BOTH(test_string_rings_once_an_element),
		BOTH(test_unclaimed_string_comes_out_whole),
		BOTH(test_removed_doorbell_is_silent),
		BOTH(test_never_known_to_the_kernel),
		BOTH(test_closed_eventfd_rings_no_stranger),
		BOTH(test_exactly_once_on_the_move),
		BOTH(test_exactly_once_in_first_batch),
		BOTH(test_vcpu_ids),
		KVM_TEST(test_zone_over_pending_doorbell),
		KVM_TEST(test_doorbell_inside_zone),
		KVM_TEST(test_kernel_refuses_doorbell),
	};

	return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
