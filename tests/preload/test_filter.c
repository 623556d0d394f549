// SPDX-License-Identifier: MIT
/* The activities that a filter of one system call forbids. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "io_bus/eventfd.h"
#include "preload/seccomp/calls.h"
#include "preload/seccomp/filter.h"
#include "preload/seccomp/forbidden.h"
#include "base/util.h"

/* A filter that answers @call with @action if its second argument is @arg. */
static uint32_t forbidden_by(uint32_t call, uint32_t arg, uint32_t action)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arg, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {ARRAY_SIZE(code), code};

	return filter_forbids(&filter);
}

static uint32_t forbidden_by_kill(uint32_t call)
{
	return forbidden_by(call, 0, SECCOMP_RET_KILL_PROCESS);
}

static uint32_t forbidden_by_error(uint32_t call)
{
	return forbidden_by(call, 0, SECCOMP_RET_ERRNO | EPERM);
}

static void test_other_calls_forbid_nothing(void **state)
{
	assert_int_equal(forbidden_by_kill(SYS_reboot), 0);
	assert_int_equal(forbidden_by_kill(SYS_execve), 0);
}

/* A signal needs write(2) alone, and poll(2) if the eventfd may block. */
static void test_signal_needs_write(void **state)
{
	assert_int_equal(forbidden_by_kill(SYS_write),
			 FORBIDDEN_SERVE | FORBIDDEN_WRITE);
	assert_false(forbidden_by_kill(CALL_POLL) & FORBIDDEN_SERVE);
	assert_int_equal(forbidden_by(SYS_ioctl, KVM_RUN,
				      SECCOMP_RET_KILL_PROCESS),
			 FORBIDDEN_RUN);
}

static void test_front_needs_no_thread(void **state)
{
	assert_int_equal(forbidden_by(SYS_futex, FUTEX_WAIT_BITSET_PRIVATE,
				      SECCOMP_RET_KILL_PROCESS),
			 FORBIDDEN_HELPER);
	assert_int_equal(forbidden_by_kill(SYS_clone3), FORBIDDEN_HELPER);
	assert_int_equal(forbidden_by_kill(SYS_exit), FORBIDDEN_HELPER);
}

/* A thread that was there before has no filter of another one. */
static void *thread_with_filter(void *arg)
{
	forbidden_add(FORBIDDEN_FRONT | FORBIDDEN_REGISTER, false);
	assert_true(thread_forbids(FORBIDDEN_FRONT));
	return NULL;
}

static void *new_thread(void *arg)
{
	assert_true(thread_forbids(FORBIDDEN_FRONT));
	forbidden_disprove();
	assert_false(thread_forbids(FORBIDDEN_FRONT));
	return NULL;
}

static void run_thread(void *(*fn)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, fn, NULL), 0);
	pthread_join(thread, NULL);
}

static void test_filter_counts_for_its_thread(void **state)
{
	assert_false(thread_forbids(~0u));
	run_thread(thread_with_filter);
	assert_false(thread_forbids(~0u));
	run_thread(new_thread);
	forbidden_add(FORBIDDEN_PID, true);
	assert_true(thread_forbids(FORBIDDEN_PID));
}

/* If neither call compares files, the front reads /proc/self/fdinfo. */
static void test_front_needs_to_read_fdinfo(void **state)
{
	assert_true(forbidden_by_kill(SYS_read) & FORBIDDEN_FRONT);
	assert_false(forbidden_by_error(SYS_read) & FORBIDDEN_FRONT);
	assert_true(forbidden_by_kill(SYS_openat) & FORBIDDEN_FRONT);
}

static void test_dupfd_query_may_fail(void **state)
{
	const uint32_t kill = SECCOMP_RET_KILL_THREAD;

	assert_true(forbidden_by(SYS_fcntl, BF_F_DUPFD_QUERY, kill) &
		    FORBIDDEN_LEARN);
	assert_int_equal(forbidden_by(SYS_fcntl, BF_F_DUPFD_QUERY,
				      SECCOMP_RET_ERRNO | EPERM),
			 0);
	assert_int_equal(forbidden_by(SYS_fcntl, F_SETLK, kill), 0);
}

/* Allows write(2) if the argument has the value; else the filter kills. */
static uint32_t forbidden_unless(unsigned int arg, uint32_t value)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)offsetof(struct seccomp_data, args) +
				 8 * arg),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog filter = {ARRAY_SIZE(code), code};

	return filter_forbids(&filter);
}

/* A signal writes 8 bytes to a number that is not known beforehand. */
static void test_arguments_of_the_library(void **state)
{
	assert_false(forbidden_unless(2, 8) & FORBIDDEN_SERVE);
	assert_true(forbidden_unless(2, 0) & FORBIDDEN_SERVE);
	assert_true(forbidden_unless(0, 0) & FORBIDDEN_SERVE);
	assert_true(forbidden_unless(1, 0) & FORBIDDEN_SERVE);
	assert_false(forbidden_unless(0, 2) & FORBIDDEN_WRITE);
	assert_true(forbidden_unless(0, 1) & FORBIDDEN_WRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_other_calls_forbid_nothing),
		cmocka_unit_test(test_signal_needs_write),
		cmocka_unit_test(test_front_needs_no_thread),
		cmocka_unit_test(test_filter_counts_for_its_thread),
		cmocka_unit_test(test_front_needs_to_read_fdinfo),
		cmocka_unit_test(test_dupfd_query_may_fail),
		cmocka_unit_test(test_arguments_of_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
