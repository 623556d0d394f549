// SPDX-License-Identifier: MIT
/* What a filter of a single call takes away. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "io_bus/same_file.h"
#include "preload/interpose/config.h"
#include "preload/seccomp/filter.h"
#include "base/util.h"

/* Everything is allowed but the call, if its second argument is the one. */
static uint32_t forbids(uint32_t call, uint32_t arg, uint32_t action)
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

static uint32_t kills(uint32_t call)
{
	return forbids(call, 0, SECCOMP_RET_KILL_PROCESS);
}

static uint32_t refuses(uint32_t call)
{
	return forbids(call, 0, SECCOMP_RET_ERRNO | EPERM);
}

static void test_of_no_interest(void **state)
{
	assert_int_equal(kills(SYS_reboot), 0);
	assert_int_equal(kills(SYS_execve), 0);
}

/* Files are compared by kcmp(2) where there is no better, and that by pid. */
static void test_numbers_need_the_pid(void **state)
{
	assert_true(kills(SYS_getpid) & FORBIDDEN_LEARN);
	assert_true(kills(SYS_getpid) & FORBIDDEN_PID);
	assert_true(refuses(SYS_getpid) & FORBIDDEN_LEARN);
}

/* Where neither compares files, eventfds are told apart by their fdinfo. */
static void test_eventfds_may_be_read_about(void **state)
{
	assert_true(kills(SYS_read) & FORBIDDEN_FRONT);
	assert_false(refuses(SYS_read) & FORBIDDEN_FRONT);
	assert_true(kills(SYS_openat) & FORBIDDEN_FRONT);
}

/* A throw-away VM has an eventfd of its own. */
static void test_measuring_takes_an_eventfd(void **state)
{
	assert_int_equal(kills(SYS_eventfd2), FORBIDDEN_CALIBRATE);
	assert_int_equal(refuses(SYS_eventfd2), FORBIDDEN_CALIBRATE);
}

static void test_query_may_fail(void **state)
{
	const uint32_t kill = SECCOMP_RET_KILL_THREAD;

	assert_true(forbids(SYS_fcntl, BF_F_DUPFD_QUERY, kill) &
		    FORBIDDEN_LEARN);
	assert_int_equal(forbids(SYS_fcntl, BF_F_DUPFD_QUERY,
				 SECCOMP_RET_ERRNO | EPERM),
			 0);
	assert_int_equal(forbids(SYS_fcntl, F_SETLK, kill), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_no_interest),
		cmocka_unit_test(test_numbers_need_the_pid),
		cmocka_unit_test(test_eventfds_may_be_read_about),
		cmocka_unit_test(test_measuring_takes_an_eventfd),
		cmocka_unit_test(test_query_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
