/* SPDX-License-Identifier: MIT */
/*
 * A bitmap with a bit for each number.  All accesses are relaxed: a bit orders
 * no other memory, and the kernel does not hand out a number twice.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/fds/private_fd.h"

#define MAX_FD (1u << 20) /* higher numbers are not remembered */
#define BITS   64u

#define relaxed memory_order_relaxed

static _Atomic uint64_t words[MAX_FD / BITS];

static uint64_t fd_bit(unsigned int n)
{
	return UINT64_C(1) << n % BITS;
}

static void remember_fd(unsigned int n)
{
	if (n < MAX_FD)
		atomic_fetch_or_explicit(&words[n / BITS], fd_bit(n), relaxed);
}

static void forget_fd(unsigned int n)
{
	if (n < MAX_FD)
		atomic_fetch_and_explicit(&words[n / BITS], ~fd_bit(n),
					  relaxed);
}

int private_fd_dup(int fd)
{
	long ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, PRIVATE_FD_MIN);

	if (ret == -EINVAL || ret == -EMFILE)
		ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (ret >= 0)
		remember_fd((unsigned int)ret);
	return (int)ret;
}

/* Clears the bit first: after the close the program may get the number. */
void private_fd_close(int fd)
{
	forget_fd((unsigned int)fd);
	sys_close(fd);
}

void private_fd_close_run(int first, int last)
{
	for (int fd = first; fd <= last; fd++)
		forget_fd((unsigned int)fd);
	if (first < last && !syscall(SYS_close_range, first, last, 0))
		return;
	for (; first <= last; first++)
		sys_close(first);
}

bool private_fd_contains(int fd)
{
	unsigned int n = (unsigned int)fd;

	return n < MAX_FD &&
	       atomic_load_explicit(&words[n / BITS], relaxed) & fd_bit(n) &&
	       process_is_owner();
}

int private_fd_first(unsigned int first, unsigned int last)
{
	for (unsigned int n = first; n <= last && n < MAX_FD;
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
}
