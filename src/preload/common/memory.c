/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "preload/common/memory.h"
#include "preload/common/sys.h"
#include "preload/seccomp/forbidden.h"

/* Of the kernel's smallest page: a larger one is asked about more often. */
#define PAGE 4096u

/*
 * rt_sigprocmask() reads its signal set before it finds that -1 is no valid
 * operation.  So it fails with EFAULT if the memory cannot be read, and changes
 * nothing in any case.  It reads 8 bytes, at any alignment.
 */
static bool word_is_readable(uintptr_t addr)
{
	const size_t size = 8;

	return sys_call(SYS_rt_sigprocmask, -1, (long)addr, 0, size, 0, 0) !=
	       -EFAULT;
}

/* A page can be read as a whole or not at all: asks about its first word. */
static bool pages_are_readable(uintptr_t first, uintptr_t last)
{
	for (uintptr_t at = first / PAGE * PAGE; at <= last; at += PAGE)
		if (!word_is_readable(at))
			return false;
	return true;
}

bool memory_may_be_asked(void)
{
	return !thread_forbids(FORBIDDEN_FRONT);
}

bool memory_is_readable(const void *addr, size_t size)
{
	const uintptr_t first = (uintptr_t)addr;
	const uintptr_t last = first + size - 1;

	if (!size)
		return true;
	/* A null pointer would mean no signal set, which can always be read. */
	return first >= PAGE && last >= first && last <= UINTPTR_MAX - PAGE &&
	       memory_may_be_asked() && pages_are_readable(first, last);
}
