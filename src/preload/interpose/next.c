/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>

#include "preload/interpose/next.h"

struct next next_functions;

#define FIND(name)                                      \
	__atomic_store_n((void **)&next_functions.name, \
			 dlsym(RTLD_NEXT, #name), __ATOMIC_RELEASE)

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
	FIND(syscall);
	FIND(ioctl);
}
