/* SPDX-License-Identifier: MIT */
/*
 * One bit a number.  The bits order nothing: who looks at one wants to know
 * about a number, which the kernel itself hands out, so all accesses are
 * relaxed.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "preload/interpose/config.h"
#include "preload/fds/own.h"
#include "preload/common/sys.h"

#define MAX_FD (1u << 20) /* what is higher is not spared */
#define BITS   64u

#define relaxed memory_order_relaxed

static _Atomic uint64_t words[MAX_FD / BITS];

static uint64_t bit_of(unsigned int n)
{
	return UINT64_C(1) << n % BITS;
}

int own_dup(int fd)
{
	long ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, OWN_MIN);
	unsigned int n;

	if (ret == -EINVAL || ret == -EMFILE)
		ret = sys_fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	n = (unsigned int)ret;
	if (ret >= 0 && n < MAX_FD)
		atomic_fetch_or_explicit(&words[n / BITS], bit_of(n), relaxed);
	return (int)ret;
}

static void disown(int fd)
{
	unsigned int n = (unsigned int)fd;

	if (n < MAX_FD)
		atomic_fetch_and_explicit(&words[n / BITS], ~bit_of(n),
					  relaxed);
}

/* The bit first: afterwards the number may be the program's. */
void own_close(int fd)
{
	disown(fd);
	sys_close(fd);
}

void own_close_run(int first, int last)
{
	for (int fd = first; fd <= last; fd++)
		disown(fd);
	if (first < last && !syscall(SYS_close_range, first, last, 0))
		return;
	for (; first <= last; first++)
		sys_close(first);
}

bool own_has(int fd)
{
	unsigned int n = (unsigned int)fd;

	return n < MAX_FD &&
	       atomic_load_explicit(&words[n / BITS], relaxed) & bit_of(n) &&
	       config_is_owner();
}

int own_first(unsigned int first, unsigned int last)
{
	for (unsigned int n = first; n <= last && n < MAX_FD;
	     n = (n / BITS + 1) * BITS) {
		uint64_t word = atomic_load_explicit(&words[n / BITS], relaxed);

		word &= ~(bit_of(n) - 1);
		if (!word)
			continue;
		n = n / BITS * BITS + (unsigned int)__builtin_ctzll(word);
		return n <= last ? (int)n : -1;
	}
	return -1;
}

void own_forget(void)
{
	memset(words, 0, sizeof(words));
}
