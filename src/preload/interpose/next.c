/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <gnu/libc-version.h>

#include "preload/interpose/next.h"

struct next next_functions;
bool next_ioctl_is_libc;

#define FIND(name)                                      \
	__atomic_store_n((void **)&next_functions.name, \
			 dlsym(RTLD_NEXT, #name), __ATOMIC_RELEASE)

static bool is_in_libc(void *function)
{
	Dl_info info, libc;

	return dladdr(function, &info) &&
	       dladdr((void *)gnu_get_libc_version, &libc) &&
	       info.dli_fbase == libc.dli_fbase;
}

/* Threads that come here together store the same.  ioctl last: see next(). */
void next_find(void)
{
	FIND(close);
	FIND(close_range);
	FIND(dup);
	FIND(dup2);
	FIND(dup3);
	FIND(fcntl);
	FIND(fcntl64);
	FIND(prctl);
	FIND(sendmsg);
	FIND(sendmmsg);
	FIND(recvmsg);
	FIND(recvmmsg);
	FIND(clone);
	FIND(_Fork);
	FIND(syscall);
	FIND(ioctl);
	__atomic_store_n(&next_ioctl_is_libc,
			 is_in_libc((void *)next_functions.ioctl),
			 __ATOMIC_RELAXED);
}
