/* SPDX-License-Identifier: MIT */
/*
 * A bitmap with a bit for each number.  All accesses are relaxed: a bit orders
 * no other memory, and the kernel does not hand out a number twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/fds/private_fd.h"
#include "preload/seccomp/forbidden.h"

#define MAX_FD (1 << 20) /* higher numbers are not remembered */
#define BITS   64u

#define LEAST_RESERVE 64 /* fds that stay for the program */

#define relaxed memory_order_relaxed

/* Ours, or about to be: a sweep spares these. */
static _Atomic uint64_t words[MAX_FD / BITS];

/* Ours: the program gets EBADF for these. */
static _Atomic uint64_t settled[MAX_FD / BITS];

static uint64_t fd_bit(unsigned int n)
{
	return UINT64_C(1) << n % BITS;
}

static void mark_fd(_Atomic uint64_t *marks, unsigned int n)
{
	if (n < (unsigned int)MAX_FD)
		atomic_fetch_or_explicit(&marks[n / BITS], fd_bit(n), relaxed);
}

static void clear_fd(_Atomic uint64_t *marks, unsigned int n)
{
	if (n < (unsigned int)MAX_FD)
		atomic_fetch_and_explicit(&marks[n / BITS], ~fd_bit(n),
					  relaxed);
}

static void forget_fd(unsigned int n)
{
	clear_fd(settled, n);
	clear_fd(words, n);
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

/* Calls of close_range() in progress, which may have looked for marks before. */
static _Atomic int sweeps;

#define SWEEP_YIELDS 1000

void private_fd_sweep_begins(void)
{
	atomic_fetch_add(&sweeps, 1);
}

void private_fd_sweep_ends(void)
{
	atomic_fetch_sub(&sweeps, 1);
}

/*
 * Sequentially consistent: either a sweep that begins sees the mark, or this
 * load sees the sweep.  Otherwise a sweep could close the fd after the check.
 * False: a sweep takes long, or this thread's own was interrupted.
 */
static bool wait_for_sweeps(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (int i = 0; atomic_load(&sweeps); i++) {
		if (i == SWEEP_YIELDS)
			return false;
		sched_yield();
	}
	return true;
}

/* Without an answer of the kernel the number counts as ours. */
static bool is_duplicate(int number, int fd)
{
	int ret = bf_same_file(number, fd);

	return ret && ret != -EBADF;
}

/* Marks the number, and looks at it after each close that missed the mark. */
static bool mark_and_look(_Atomic uint64_t *marks, int number, int fd)
{
	mark_fd(marks, (unsigned int)number);
	return wait_for_sweeps() && is_duplicate(number, fd);
}

/*
 * Between its creation and the mark the program may have closed the number and
 * opened another file there.  So the library marks the number first and looks
 * at it then.  Until it has looked, a close() of the program goes through: the
 * number is the program's, or the second look shows the loss.
 */
static int dup_marked(int fd, int first, int end)
{
	const int tries = 8;
	int ret;

	for (int i = 0; i < tries; i++) {
		ret = dup_below(fd, first, end);
		if (ret < 0 || (mark_and_look(words, ret, fd) &&
				mark_and_look(settled, ret, fd)))
			return ret;
		forget_fd((unsigned int)ret);
		if (is_duplicate(ret, fd))
			sys_close(ret);
	}
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
		ret = dup_marked(fd, first, end);
	if (ret < 0)
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
	       atomic_load_explicit(&settled[n / BITS], relaxed) & fd_bit(n) &&
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

/* Each run of numbers by one call. */
void private_fd_close_all(void)
{
	int fd, last;

	for (fd = 0; (fd = private_fd_first((unsigned int)fd, MAX_FD)) >= 0;
	     fd = last + 1) {
		last = fd;
		while (private_fd_first((unsigned int)last + 1,
					(unsigned int)last + 1) >= 0)
			last++;
		private_fd_close_run(fd, last);
	}
}

void private_fd_forget(void)
{
	atomic_store_explicit(&sweeps, 0, relaxed);
	memset(words, 0, sizeof(words));
	memset(settled, 0, sizeof(settled));
	atomic_store_explicit(&count, 0, relaxed);
}
