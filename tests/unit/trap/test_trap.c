/* SPDX-License-Identifier: MIT */
/* The trap engine's vCPUs: boots, runs, exits, kicks. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "trap_fixture.h"

GUEST(halts);
GUEST(mixed);
GUEST(stores);
GUEST(stores_forever);
GUEST(rep_forever);
GUEST(spin);
GUEST(fresh);
GUEST(vector_state);
GUEST(insl);
GUEST(direction);

static void test_memory(void **state)
{
	struct machine *m = *state;
	char *hva = m->memory;

	assert_int_equal(machine_slot(m, 1, 0x20001, 0x1000, hva), -EINVAL);
	assert_int_equal(machine_slot(m, 1, 0x20000, 0x1001, hva), -EINVAL);
	assert_int_equal(machine_slot(m, 1, 0x20000, 0x1000, hva + 1), -EINVAL);
	assert_int_equal(machine_slot(m, 1, -0x1000ull, 0x2000, hva), -EINVAL);
	assert_int_equal(machine_slot(m, 1, 0x20000, 0, NULL), -EINVAL);
	assert_int_equal(machine_slot(m, 1, 0xf000, 0x2000, hva), -EEXIST);
	assert_int_equal(machine_slot(m, 1, WINDOW_GPA - 0x1000, 0x2000, hva),
			 -EEXIST);
	assert_int_equal(
		machine_slot(m, 1, WINDOW_GPA + WINDOW_SIZE, 0x1000, hva), 0);
	assert_int_equal(machine_slot(m, 2, 0x10000, 0x1000, hva), 0);
	assert_int_equal(machine_slot(m, 3, 0x10000, 0x1000, hva), -EEXIST);
	assert_int_equal(machine_slot(m, 2, 0, 0, NULL), 0);
	assert_int_equal(machine_slot(m, 2, 0, 0, NULL), -EINVAL);
}

static void test_guest_addr(void **state)
{
	struct machine *m = *state;
	uint64_t window = window_addr(m, 0);

	assert_int_equal(bf_trap_guest_addr(m->trap, 0x123),
			 memory_addr(m, 0x123));
	assert_int_equal(bf_trap_guest_addr(m->trap, MEMORY_SIZE), 0);
	assert_int_equal(bf_trap_guest_addr(m->trap, WINDOW_GPA - 1), 0);
	assert_int_equal(bf_trap_guest_addr(m->trap,
					    WINDOW_GPA + WINDOW_SIZE - 1),
			 window + WINDOW_SIZE - 1);
	assert_int_equal(bf_trap_guest_addr(m->trap, WINDOW_GPA + WINDOW_SIZE),
			 0);
}

static int create(struct bf_trap **trapp, uint64_t gpa, uint64_t size)
{
	const struct bf_trap_config window = {gpa, size};

	return bf_trap_create(&window, trapp);
}

static void test_window_bounds(void **state)
{
	struct bf_trap *trap = NULL;

	(void)state;
	assert_int_equal(create(&trap, 0x1001, 0x1000), -EINVAL);
	assert_int_equal(create(&trap, 0x1000, 0), -EINVAL);
	assert_int_equal(create(&trap, 0x1000, 0x1800), -EINVAL);
	assert_int_equal(create(&trap, -0x1000ull, 0x2000), -EINVAL);
	assert_int_equal(create(&trap, 0, -0x1000ull), -ENOMEM);
	assert_null(trap);
	assert_int_equal(create(&trap, -0x1000ull, 0x1000), 0);
	bf_trap_destroy(trap);
}

static void test_boot_errors(void **state)
{
	struct machine *m = *state;
	struct bf_vcpu_boot64_desc boot = {.rip = MEMORY_SIZE};

	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINVAL);
	assert_int_equal(bf_trap_vcpu_boot(m->vcpu, &boot), -EINVAL);
	boot.rip = WINDOW_GPA;
	assert_int_equal(bf_trap_vcpu_boot(m->vcpu, &boot), -EINVAL);
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINVAL);
}

static void test_fresh_registers(void **state)
{
	struct machine *m = *state;
	struct bf_vcpu_boot64_desc boot = {
		.rip = CODE,
		.args = {11, 12, 13, 14, 15, memory_addr(m, RESULTS)},
	};
	uint64_t i;

	copy_code(m, CODE, fresh_start, (size_t)(fresh_end - fresh_start));
	assert_int_equal(bf_trap_vcpu_boot(m->vcpu, &boot), 0);
	run_to(m, KVM_EXIT_HLT);
	for (i = 0; i < 5; i++)
		assert_int_equal(result(m, (unsigned int)i), 11 + i);
	assert_int_equal(result(m, 5), memory_addr(m, RESULTS));
	assert_int_equal(result(m, 6), 0);
	assert_int_equal(result(m, 7), 0);
}

/* An exit keeps the vector state, and a boot resets it. */
static void test_vector_state(void **state)
{
	static const uint32_t round_up = 0x5f80, fresh = 0x1f80;
	struct machine *m = *state;
	char zero[16] = "", text[16] = "floating points";
	int i;

	for (i = 0; i < 2; i++) {
		boot(m, vector_state, memory_addr(m, OPERANDS),
		     memory_addr(m, SOURCE), 0, 0, 0);
		memcpy(m->memory + OPERANDS, &round_up, sizeof(round_up));
		memcpy(m->memory + SOURCE, text, sizeof(text));
		run_to(m, KVM_EXIT_HLT);
		assert_memory_equal(m->memory + RESULTS, &fresh, 4);
		assert_memory_equal(m->memory + RESULTS + 16, zero, 16);
		run_to(m, KVM_EXIT_HLT);
		run_to(m, KVM_EXIT_HLT);
		assert_memory_equal(m->memory + RESULTS, &round_up, 4);
		assert_memory_equal(m->memory + RESULTS + 16, text, 16);
	}
}

static void test_run_continues_after_halt(void **state)
{
	struct machine *m = *state;
	uint64_t i;

	boot(m, halts, 0, 0, 0, 0, 0);
	for (i = 1; i <= 2; i++) {
		run_to(m, KVM_EXIT_HLT);
		assert_int_equal(result(m, 0), i);
	}
	/* A boot starts the program anew. */
	boot(m, halts, 0, 0, 0, 0, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(result(m, 0), 1);
}

static void check_mmio(struct machine *m, uint64_t offset, uint32_t len,
		       bool write)
{
	run_to(m, KVM_EXIT_MMIO);
	assert_int_equal(m->run->mmio.phys_addr, WINDOW_GPA + offset);
	assert_int_equal(m->run->mmio.len, len);
	assert_int_equal(m->run->mmio.is_write, write);
}

static char *check_io(struct machine *m, uint16_t port, uint8_t size, bool out)
{
	run_to(m, KVM_EXIT_IO);
	assert_int_equal(m->run->io.port, port);
	assert_int_equal(m->run->io.size, size);
	assert_int_equal(m->run->io.count, 1);
	assert_int_equal(m->run->io.direction,
			 out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN);
	return (char *)m->run + m->run->io.data_offset;
}

/* The caller completes an exit that exit_fn does not claim: it fills reads. */
static void test_unclaimed_exits(void **state)
{
	struct machine *m = *state;

	m->claim = false;
	boot(m, mixed, window_addr(m, 0x40), 0, 0, 0, 0);
	check_mmio(m, 0x40, 4, false);
	memcpy(m->run->mmio.data, "\x88\x77\x66\x55", 4);
	check_mmio(m, 0x48, 8, false);
	memcpy(m->run->mmio.data, "abcdefgh", 8);
	check_mmio(m, 0x50, 8, false);
	memcpy(m->run->mmio.data, "ijklmnop", 8);
	check_mmio(m, 0x44, 4, true);
	assert_memory_equal(m->run->mmio.data, "\xaa\x55\0\0", 4);
	memcpy(check_io(m, 0x30, 2, false), "\xcd\xab", 2);
	assert_memory_equal(check_io(m, 0x31, 1, true), "\xcd", 1);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(result(m, 0), 0x55667788);
	assert_int_equal(result(m, 1), 0x5566abcd);
	assert_memory_equal(m->memory + RESULTS + 64, "abcdefghijklmnop", 16);
	assert_int_equal(atomic_load(&m->exits), 6);
}

/* A boot drops the exit that the caller has not completed. */
static void test_boot_drops_exit(void **state)
{
	struct machine *m = *state;

	m->claim = false;
	boot(m, mixed, window_addr(m, 0x40), 0, 0, 0, 0);
	check_mmio(m, 0x40, 4, false);
	boot(m, halts, 0, 0, 0, 0, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(result(m, 0), 1);
}

/* Memory that is removed during the exit is not written to. */
static void test_string_target_removed(void **state)
{
	struct machine *m = *state;

	assert_int_equal(
		machine_slot(m, 1, 0x20000, 0x1000, m->memory + OPERANDS), 0);
	assert_int_equal(machine_slot(m, 0, 0, 0, NULL), 0);
	assert_int_equal(machine_slot(m, 0, 0, OPERANDS, m->memory), 0);
	m->claim = false;
	boot(m, insl, memory_addr(m, OPERANDS), 0, 0, 0, 2);
	check_io(m, 0x20, 4, false);
	assert_int_equal(machine_slot(m, 1, 0, 0, NULL), 0);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
}

struct runner {
	struct machine *m;
	struct bf_trap_vcpu *vcpu;
	int ret;
	uint32_t reason;
};

static void *run_in_thread(void *arg)
{
	struct runner *r = arg;

	r->ret = bf_trap_vcpu_run(r->vcpu);
	r->reason = bf_trap_vcpu_page(r->vcpu)->exit_reason;
	return NULL;
}

static pthread_t start_runner(struct runner *r)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_in_thread, r), 0);
	return thread;
}

static void join(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_run_from_threads(void **state)
{
	struct machine *m = *state;
	struct runner r = {.m = m, .vcpu = m->vcpu};
	uint64_t i;

	m->claim = false;
	boot(m, stores, window_addr(m, 0), 0, 7, 3, 0);
	for (i = 0; i < 3; i++) {
		join(start_runner(&r));
		assert_int_equal(r.ret, 0);
		assert_int_equal(r.reason, KVM_EXIT_MMIO);
		assert_int_equal(m->run->mmio.data[0], 7);
	}
	join(start_runner(&r));
	assert_int_equal(r.reason, KVM_EXIT_HLT);
}

static bool claim_all(struct machine *m)
{
	return true;
}

static void test_two_vcpus(void **state)
{
	enum { STORES = 20000 };
	struct machine *m = *state;
	struct runner a = {.m = m, .vcpu = m->vcpu};
	struct runner b = {.m = m, .vcpu = machine_add_vcpu(m)};
	const uint64_t args[6] = {window_addr(m, 8), 0, 1, STORES};
	pthread_t threads[2];

	m->hook = claim_all;
	boot(m, stores, window_addr(m, 0), 0, 1, STORES, 0);
	boot_at(m, b.vcpu, CODE, args);
	threads[0] = start_runner(&a);
	threads[1] = start_runner(&b);
	join(threads[0]);
	join(threads[1]);
	assert_int_equal(a.reason, KVM_EXIT_HLT);
	assert_int_equal(b.reason, KVM_EXIT_HLT);
	assert_int_equal(atomic_load(&m->exits), 2 * STORES);
	bf_trap_vcpu_destroy(b.vcpu);
}

static void wait_for_exits(struct machine *m, unsigned long n)
{
	while (atomic_load(&m->exits) < n)
		sched_yield();
}

static uint64_t spins(struct machine *m)
{
	return __atomic_load_n((uint64_t *)(void *)(m->memory + RESULTS),
			       __ATOMIC_RELAXED);
}

static void test_kick_spinning(void **state)
{
	struct machine *m = *state;
	struct runner r = {.m = m, .vcpu = m->vcpu};
	uint64_t before = 0;
	pthread_t thread;
	int i;

	boot(m, spin, 0, 0, 0, 0, 0);
	for (i = 0; i < 20; i++) {
		thread = start_runner(&r);
		while (spins(m) == before)
			sched_yield();
		bf_trap_vcpu_kick(m->vcpu);
		join(thread);
		assert_int_equal(r.ret, -EINTR);
		assert_int_equal(r.reason, KVM_EXIT_INTR);
		before = spins(m);
	}
}

/* The kick does not wait until the guest runs: it comes at any point. */
static void test_kick_races_entry(void **state)
{
	struct machine *m = *state;
	struct runner r = {.m = m, .vcpu = m->vcpu};
	pthread_t thread;
	int i;

	boot(m, spin, 0, 0, 0, 0, 0);
	for (i = 0; i < 200; i++) {
		thread = start_runner(&r);
		bf_trap_vcpu_kick(m->vcpu);
		join(thread);
		assert_int_equal(r.ret, -EINTR);
	}
}

/* The guest is in the signal handler most of the time. */
static void test_kick_storing(void **state)
{
	struct machine *m = *state;
	struct runner r = {.m = m, .vcpu = m->vcpu};
	unsigned long before;
	pthread_t thread;
	int i;

	m->hook = claim_all;
	boot(m, stores_forever, window_addr(m, 0), 0, 1, 0, 0);
	for (i = 0; i < 100; i++) {
		before = atomic_load(&m->exits);
		thread = start_runner(&r);
		wait_for_exits(m, before + 5);
		bf_trap_vcpu_kick(m->vcpu);
		join(thread);
		assert_int_equal(r.ret, -EINTR);
	}
}

static void test_kick_long_string(void **state)
{
	struct machine *m = *state;
	struct runner r = {.m = m, .vcpu = m->vcpu};
	pthread_t thread;

	m->hook = claim_all;
	boot(m, rep_forever, window_addr(m, 0), 0, 1, 0, 0);
	thread = start_runner(&r);
	wait_for_exits(m, 5);
	bf_trap_vcpu_kick(m->vcpu);
	join(thread);
	/* The string may reach the end of the window before the kick. */
	if (r.ret == 0)
		assert_int_equal(r.reason, KVM_EXIT_INTERNAL_ERROR);
	else
		assert_int_equal(r.ret, -EINTR);
}

static void test_kick_is_kept(void **state)
{
	struct machine *m = *state;

	boot(m, halts, 0, 0, 0, 0, 0);
	bf_trap_vcpu_kick(m->vcpu);
	bf_trap_vcpu_kick(m->vcpu);
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_INTR);
	assert_int_equal(result(m, 0), 0);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(result(m, 0), 1);
}

static bool kick_itself(struct machine *m)
{
	bf_trap_vcpu_kick(m->vcpu);
	return true;
}

static void test_kick_from_exit(void **state)
{
	struct machine *m = *state;

	m->hook = kick_itself;
	boot(m, stores, window_addr(m, 0), 0, 1, 2, 0);
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(atomic_load(&m->exits), 2);
}

/* A kick ends a string between two elements: none is lost, none repeated. */
static bool kick_at_second(struct machine *m)
{
	if (atomic_load(&m->exits) == 2)
		bf_trap_vcpu_kick(m->vcpu);
	return true;
}

static void test_kick_within_string(void **state)
{
	struct machine *m = *state;

	m->hook = kick_at_second;
	boot(m, direction, window_addr(m, 0), memory_addr(m, SOURCE), 0, 2, 0);
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	assert_int_equal(atomic_load(&m->exits), 2);
	run_to(m, KVM_EXIT_HLT);
	assert_int_equal(atomic_load(&m->exits), 5);
}

static void test_immediate_exit(void **state)
{
	struct machine *m = *state;

	m->claim = false;
	boot(m, mixed, window_addr(m, 0x40), 0, 0, 0, 0);
	m->run->immediate_exit = 1;
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	assert_int_equal(m->run->exit_reason, KVM_EXIT_INTR);
	m->run->immediate_exit = 0;
	check_mmio(m, 0x40, 4, false);
	memcpy(m->run->mmio.data, "\x88\x77\x66\x55", 4);

	/* The run completes the exit first; its second fragment is next. */
	m->run->immediate_exit = 1;
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	m->run->immediate_exit = 0;
	check_mmio(m, 0x48, 8, false);
	assert_int_equal(result(m, 0), 0x55667788);
	m->run->immediate_exit = 1;
	check_mmio(m, 0x50, 8, false);
	assert_int_equal(bf_trap_vcpu_run(m->vcpu), -EINTR);
	m->run->immediate_exit = 0;
	check_mmio(m, 0x44, 4, true);
}

static bool use_the_vcpu(struct machine *m)
{
	const struct bf_vcpu_boot64_desc boot = {.rip = CODE};

	m->claim = bf_trap_vcpu_run(m->vcpu) == -EBUSY &&
		   bf_trap_vcpu_boot(m->vcpu, &boot) == -EBUSY;
	return true;
}

static void test_busy(void **state)
{
	struct machine *m = *state;

	m->claim = false;
	m->hook = use_the_vcpu;
	boot(m, stores, window_addr(m, 0), 0, 1, 1, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_true(m->claim);
}

static void on_usr1(int sig)
{
	(void)sig;
}

/* As in KVM_RUN, a signal to the thread that runs the vCPU ends the run. */
static void test_signal_to_caller(void **state)
{
	struct machine *m = *state;
	struct runner r = {.m = m, .vcpu = m->vcpu};
	struct sigaction action = {.sa_handler = on_usr1};
	struct sigaction old;
	pthread_t thread;

	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	boot(m, spin, 0, 0, 0, 0, 0);
	thread = start_runner(&r);
	while (spins(m) == 0)
		sched_yield();
	/* Repeat: a signal that arrives before the thread sleeps is lost. */
	while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	assert_int_equal(r.ret, -EINTR);
	sigaction(SIGUSR1, &old, NULL);
}

/* Destroys vCPUs before boot, before a run, in a loop, and in an exit. */
static void test_destroy(void **state)
{
	struct machine *m = *state;
	const uint64_t args[6] = {window_addr(m, 0), 0, 0, 0,
				  memory_addr(m, RESULTS)};
	struct bf_trap_vcpu *vcpu;
	int i;

	boot(m, spin, 0, 0, 0, 0, 0);
	copy_code(m, 0x1000, mixed_start, (size_t)(mixed_end - mixed_start));
	m->claim = false;
	for (i = 0; i < 4; i++) {
		vcpu = machine_add_vcpu(m);
		if (i > 0)
			boot_at(m, vcpu, i == 3 ? 0x1000 : CODE, args);
		if (i == 2) {
			bf_trap_vcpu_kick(vcpu);
			assert_int_equal(bf_trap_vcpu_run(vcpu), -EINTR);
		}
		if (i == 3)
			assert_int_equal(bf_trap_vcpu_run(vcpu), 0);
		bf_trap_vcpu_destroy(vcpu);
	}
}

#define machine_test(f) \
	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		machine_test(test_memory),
		machine_test(test_guest_addr),
		cmocka_unit_test(test_window_bounds),
		machine_test(test_boot_errors),
		machine_test(test_fresh_registers),
		machine_test(test_vector_state),
		machine_test(test_run_continues_after_halt),
		machine_test(test_unclaimed_exits),
		machine_test(test_boot_drops_exit),
		machine_test(test_string_target_removed),
		machine_test(test_run_from_threads),
		machine_test(test_two_vcpus),
		machine_test(test_kick_spinning),
		machine_test(test_kick_races_entry),
		machine_test(test_kick_storing),
		machine_test(test_kick_long_string),
		machine_test(test_kick_is_kept),
		machine_test(test_kick_from_exit),
		machine_test(test_kick_within_string),
		machine_test(test_immediate_exit),
		machine_test(test_busy),
		machine_test(test_signal_to_caller),
		machine_test(test_destroy),
	};

	return cmocka_run_group_tests_name("trap", tests, NULL, NULL);
}
