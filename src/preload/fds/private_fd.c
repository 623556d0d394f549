/* SPDX-License-Identifier: MIT */
/*
 * A bitmap with a bit for each number.  All accesses are relaxed: a bit orders
 * no other memory, and the kernel does not hand out a number twice.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/fds/private_fd.h"
#include "preload/seccomp/forbidden.h"

#define MAX_FD (1 << 20) /* higher numbers are not remembered */
#define BITS   64u

#define LEAST_RESERVE 64 /* fds that stay for the program */

#define relaxed memory_order_relaxed

static _Atomic uint64_t words[MAX_FD / BITS];

static uint64_t fd_bit(unsigned int n)
{
	return UINT64_C(1) << n % BITS;
}

static void remember_fd(unsigned int n)
{
	if (n < (unsigned int)MAX_FD)
		atomic_fetch_or_explicit(&words[n / BITS], fd_bit(n), relaxed);
}

static void forget_fd(unsigned int n)
{
	if (n < (unsigned int)MAX_FD)
		atomic_fetch_and_explicit(&words[n / BITS], ~fd_bit(n),
					  relaxed);
}

static _Atomic int count;

static int max_of(int a, int b)
{
	return a > b ? a : b;
}

/* The program's limit on fds, which it may change; else the last one read. */
static int read_limit(void)
{
	static _Atomic int last = 1024;
	struct rlimit limit;

	if (!thread_forbids(FORBIDDEN_LIMIT) &&
	    !getrlimit(RLIMIT_NOFILE, &limit))
		atomic_store_explicit(
			&last,
			limit.rlim_cur < MAX_FD ? (int)limit.rlim_cur : MAX_FD,
			relaxed);
	return atomic_load_explicit(&last, relaxed);
}

/* Takes a number below @end; the program may have opened those above. */
static int dup_below(int fd, int first, int end)
{
	long ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, first);

	if (ret < end)
		return (int)ret;
	sys_close((int)ret);
	return -EMFILE;
}

int private_fd_dup(int fd)
{
	const int limit = read_limit();
	const int end = limit - max_of(limit / 4, LEAST_RESERVE);
	const int most = limit / 16;
	int first = PRIVATE_FD_MIN, ret = -EMFILE;

	if (first > end - most)
		first = max_of(end - most, STDERR_FILENO + 1);
	if (atomic_fetch_add_explicit(&count, 1, relaxed) < most)
		ret = dup_below(fd, first, end);
	if (ret >= 0)
		remember_fd((unsigned int)ret);
	else
		atomic_fetch_sub_explicit(&count, 1, relaxed);
	return ret;
}

/* Clears the bit first: after the close the program may get the number. */
void private_fd_close(int fd)
{
	forget_fd((unsigned int)fd);
	atomic_fetch_sub_explicit(&count, 1, relaxed);
	sys_close(fd);
}

void private_fd_close_run(int first, int last)
{
	for (int fd = first; fd <= last; fd++)
		forget_fd((unsigned int)fd);
	atomic_fetch_sub_explicit(&count, last - first + 1, relaxed);
	if (first < last && !syscall(SYS_close_range, first, last, 0))
		return;
	for (; first <= last; first++)
		sys_close(first);
}

bool private_fd_contains(int fd)
{
	unsigned int n = (unsigned int)fd;

	return n < (unsigned int)MAX_FD &&
	       atomic_load_explicit(&words[n / BITS], relaxed) & fd_bit(n) &&
	       process_is_owner();
}

int private_fd_first(unsigned int first, unsigned int last)
{
	for (unsigned int n = first; n <= last && n < (unsigned int)MAX_FD;
	     n = (n / BITS + 1) * BITS) {
		uint64_t word = atomic_load_explicit(&words[n / BITS], relaxed);

		word &= ~(fd_bit(n) - 1);
		if (!word)
			continue;
		n = n / BITS * BITS + (unsigned int)__builtin_ctzll(word);
		return n <= last ? (int)n : -1;
	}
	return -1;
}

void private_fd_forget(void)
{
	memset(words, 0, sizeof(words));
	atomic_store_explicit(&count, 0, relaxed);
}
