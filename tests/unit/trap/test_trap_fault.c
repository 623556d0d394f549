/* SPDX-License-Identifier: MIT */
/* Faults: those of the guest become exits, those of the host remain faults. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trap_fixture.h"

GUEST(halts);
GUEST(stores);
GUEST(load);
GUEST(store_vector);
GUEST(jump);
GUEST(invalid);
GUEST(divide);
GUEST(unknown);
GUEST(misaligned);
GUEST(segment);
GUEST(stos);
GUEST(rep_outsb);

/* An error repeats at each run until the next boot. */
static void check_error(struct machine *m)
{
	int i;

	for (i = 0; i < 2; i++) {
		run_to(m, KVM_EXIT_INTERNAL_ERROR);
		assert_int_equal(m->run->internal.suberror,
				 KVM_INTERNAL_ERROR_EMULATION);
	}
	boot(m, halts, 0, 0, 0, 0, 0);
	run_to(m, KVM_EXIT_HLT);
}

#define check_errors(m, name, rdi)                \
	do {                                      \
		boot(m, name, rdi, 0, 0, 100, 2); \
		check_error(m);                   \
	} while (0)

static void test_bad_accesses(void **state)
{
	struct machine *m = *state;

	check_errors(m, load, 0);
	check_errors(m, load, 1ull << 63);
	check_errors(m, store_vector, 8);
	check_errors(m, stos, 8);
	check_errors(m, rep_outsb, 8);
	check_errors(m, jump, 0);
	check_errors(m, jump, 1ull << 63);
	check_errors(m, jump, window_addr(m, 0));
	check_errors(m, invalid, 0);
	check_errors(m, divide, 0);
}

static void test_unsupported_instructions(void **state)
{
	struct machine *m = *state;

	check_errors(m, unknown, window_addr(m, 0));
	check_errors(m, misaligned, window_addr(m, 0));
	check_errors(m, segment, window_addr(m, 0));
	assert_string_equal(m->log, "");
}

static void test_error_shows_instruction(void **state)
{
	struct machine *m = *state;

	boot(m, unknown, window_addr(m, 0), 0, 0, 0, 0);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(m->run->emulation_failure.ndata, 3);
	assert_int_equal(m->run->emulation_failure.flags,
			 KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES);
	assert_int_equal(m->run->emulation_failure.insn_size, 15);
	assert_memory_equal(m->run->emulation_failure.insn_bytes, unknown_start,
			    (size_t)(unknown_end - unknown_start));
	boot(m, jump, 0, 0, 0, 0, 0);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
	assert_int_equal(m->run->emulation_failure.ndata, 0);
}

/* An access that is partly outside the window is not emulated. */
static void test_window_edges(void **state)
{
	struct machine *m = *state;
	unsigned int i;

	for (i = 1; i < 8; i++) {
		check_errors(m, load, window_addr(m, WINDOW_SIZE - i));
		check_errors(m, load, window_addr(m, 0) - i);
		check_errors(m, store_vector, window_addr(m, WINDOW_SIZE - i));
	}
	assert_string_equal(m->log, "");
	boot(m, load, window_addr(m, WINDOW_SIZE - 8), 0, 0, 0, 0);
	run_to(m, KVM_EXIT_HLT);
	assert_string_equal(m->log, "r8@3ff8");
	boot(m, stos, window_addr(m, WINDOW_SIZE - 16), 0, 0, 100, 0);
	run_to(m, KVM_EXIT_INTERNAL_ERROR);
	assert_string_equal(m->log, "w8@3ff0 w8@3ff8");
}

/* The memory ends in the middle of an instruction. */
static void test_code_past_memory(void **state)
{
	struct machine *m = *state;
	const uint64_t args[6] = {window_addr(m, 0)};

	/* A load with a displacement of four bytes, which are missing. */
	copy_code(m, MEMORY_SIZE - 3, "\x48\x8b\x87", 3);
	boot_at(m, m->vcpu, MEMORY_SIZE - 3, args);
	check_error(m);
}

static volatile char *volatile nowhere = (char *)16;
static void (*volatile no_function)(void);

static bool store_nowhere(struct machine *m)
{
	*nowhere = 1;
	return true;
}

static bool call_nowhere(struct machine *m)
{
	no_function();
	return true;
}

static void run_with_hook(struct machine *m, bool (*hook)(struct machine *m))
{
	m->hook = hook;
	boot(m, stores, window_addr(m, 0), 0, 1, 2, 0);
	bf_trap_vcpu_run(m->vcpu);
}

static void crash_in_exit(struct machine *m)
{
	run_with_hook(m, store_nowhere);
}

static void crash_in_exit_by_call(struct machine *m)
{
	run_with_hook(m, call_nowhere);
}

static bool claim_all(struct machine *m)
{
	return true;
}

/* With the handlers installed, a fault in a thread that runs no vCPU. */
static void crash_elsewhere(struct machine *m)
{
	run_with_hook(m, claim_all);
	*nowhere = 1;
}

static void raise_signal(struct machine *m)
{
	run_with_hook(m, claim_all);
	raise(SIGSEGV);
}

/* Calls act() in a child; returns the signal that kills the child, or 0. */
static int signal_of_child(void (*act)(struct machine *m))
{
	static const struct rlimit no_core = {0, 0};
	void *state = NULL;
	pid_t child = fork();
	int status;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		/* Remove the handler of cmocka, or of a sanitizer. */
		signal(SIGSEGV, SIG_DFL);
		setrlimit(RLIMIT_CORE, &no_core);
		machine_setup(&state);
		act(state);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_host_faults_crash(void **state)
{
	(void)state;
	assert_int_equal(signal_of_child(crash_in_exit), SIGSEGV);
	assert_int_equal(signal_of_child(crash_in_exit_by_call), SIGSEGV);
	assert_int_equal(signal_of_child(crash_elsewhere), SIGSEGV);
	assert_int_equal(signal_of_child(raise_signal), SIGSEGV);
}

static void exit_by_address(int sig, siginfo_t *info, void *context)
{
	_exit(info->si_addr == (void *)16 && sig == SIGSEGV ? 42 : 43);
}

static void exit_by_signal(int sig)
{
	_exit(sig == SIGSEGV ? 44 : 45);
}

/* The exit status of a child that installs a handler before the engine does. */
static int status_with_handler(const struct sigaction *action,
			       bool (*hook)(struct machine *m))
{
	void *state = NULL;
	pid_t child = fork();
	int status;

	assert_int_not_equal(child, -1);
	if (child == 0) {
		sigaction(SIGSEGV, action, NULL);
		machine_setup(&state);
		run_with_hook(state, hook);
		*nowhere = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_previous_handler(void **state)
{
	struct sigaction action = {
		.sa_sigaction = exit_by_address,
		.sa_flags = SA_SIGINFO,
	};

	(void)state;
	assert_int_equal(status_with_handler(&action, store_nowhere), 42);
	assert_int_equal(status_with_handler(&action, claim_all), 42);
	action.sa_flags = 0;
	action.sa_handler = exit_by_signal;
	assert_int_equal(status_with_handler(&action, store_nowhere), 44);
	assert_int_equal(status_with_handler(&action, claim_all), 44);
}

static void *page;

/* Maps the page, as the handler of a garbage collector does. */
static void map_page(int sig, siginfo_t *info, void *context)
{
	if (info->si_addr == page)
		mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static bool store_to_page(struct machine *m)
{
	mprotect(page, 4096, PROT_NONE);
	*(volatile char *)page = 1;
	return true;
}

/*
 * A handler that was installed before the engine's still gets its faults, in
 * the vCPU's thread and in others.  If the program replaces the engine's
 * handler, the engine installs it again.
 */
static void test_handlers_together(void **state)
{
	struct machine *m = *state;
	struct sigaction action = {
		.sa_sigaction = map_page,
		.sa_flags = SA_SIGINFO,
	};
	struct sigaction old;
	int i;

	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	for (i = 0; i < 12; i++) {
		assert_int_equal(sigaction(SIGSEGV, &action, i ? NULL : &old),
				 0);
		m->hook = store_to_page;
		boot(m, stores, window_addr(m, 0), 0, 1, 3, 0);
		run_to(m, KVM_EXIT_HLT);
		store_to_page(m);
	}
	assert_int_equal(atomic_load(&m->exits), 36);
	sigaction(SIGSEGV, &old, NULL);
	munmap(page, 4096);
}

#define machine_test(f) \
	cmocka_unit_test_setup_teardown(f, machine_setup, machine_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		machine_test(test_bad_accesses),
		machine_test(test_unsupported_instructions),
		machine_test(test_error_shows_instruction),
		machine_test(test_window_edges),
		machine_test(test_code_past_memory),
		cmocka_unit_test(test_host_faults_crash),
		cmocka_unit_test(test_previous_handler),
		machine_test(test_handlers_together),
	};

	return cmocka_run_group_tests_name("trap_fault", tests, NULL, NULL);
}
