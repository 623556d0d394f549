// SPDX-License-Identifier: MIT
/*
 * bf_same_file() with fcntl(F_DUPFD_QUERY), with kcmp(2) alone, and with both
 * forbidden.  The library does not repeat a query that the kernel does not
 * know, so that test comes last.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "io_bus/eventfd.h"

/* The errno that each call fails with; 0: the kernel answers. */
static int query_error, kcmp_error;
static unsigned int queries, kcmps;

long __real_syscall(long nr, long a, long b, long c, long d, long e);
long __wrap_syscall(long nr, long a, long b, long c, long d, long e);

long __wrap_syscall(long nr, long a, long b, long c, long d, long e)
{
	const bool is_query = nr == SYS_fcntl && b == BF_F_DUPFD_QUERY;
	const bool is_kcmp = nr == SYS_kcmp;
	int error = is_query ? query_error : is_kcmp ? kcmp_error : 0;

	queries += is_query;
	kcmps += is_kcmp;
	if (!error)
		return __real_syscall(nr, a, b, c, d, e);
	errno = error;
	return -1;
}

static int fd, twin, other;

static int open_fds(void **state)
{
	fd = eventfd(0, EFD_CLOEXEC);
	twin = dup(fd);
	other = eventfd(0, EFD_CLOEXEC);
	return fd < 0 || twin < 0 || other < 0;
}

static int close_fds(void **state)
{
	return close(fd) || close(twin) || close(other);
}

static void check_files(void)
{
	const int closed = 1000000;

	assert_int_equal(bf_same_file(fd, fd), 1);
	assert_int_equal(bf_same_file(fd, twin), 1);
	assert_int_equal(bf_same_file(twin, fd), 1);
	assert_int_equal(bf_same_file(fd, other), 0);
	assert_int_equal(bf_same_file(closed, fd), -EBADF);
	/* The first kernels with the query return 0 here. */
	assert_in_range(-bf_same_file(fd, closed), 0, EBADF);
	assert_in_range(-bf_same_file(fd, -1), 0, EBADF);
}

static void check_eventfds(void)
{
	assert_true(bf_eventfd_same(fd, twin));
	assert_false(bf_eventfd_same(fd, other));
	assert_false(bf_eventfd_same(fd, -1));
}

static void test_with_kernel_calls(void **state)
{
	check_files();
	check_eventfds();
}

static void test_query_forbidden(void **state)
{
	query_error = EPERM;
	kcmps = 0;
	check_files();
	check_eventfds();
	assert_true(kcmps > 0);
}

/* The fallback reads the eventfd's id in fdinfo, which is slow. */
static void test_both_forbidden(void **state)
{
	query_error = EPERM;
	kcmp_error = ENOSYS;
	assert_int_equal(bf_same_file(fd, twin), -ENOSYS);
	check_eventfds();
	kcmp_error = 0;
}

static void test_older_kernel(void **state)
{
	query_error = EINVAL;
	queries = 0;
	check_files();
	check_eventfds();
	assert_in_range(queries, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_kernel_calls),
		cmocka_unit_test(test_query_forbidden),
		cmocka_unit_test(test_both_forbidden),
		cmocka_unit_test(test_older_kernel),
	};

	return cmocka_run_group_tests(tests, open_fds, close_fds);
}
