/* SPDX-License-Identifier: MIT */
/*
 * A preload library that answers calls on fd 77 itself, as libraries that
 * stand in for a device do.  The program asks it by testvmm's other-library.
 */
#include <dlfcn.h>
#include <stdarg.h>

enum { OWN_FD = 77 };

static int answer(const char *name, int fd, const long args[3])
{
	int (*next)(int, ...) = (int (*)(int, ...))dlsym(RTLD_NEXT, name);

	return fd == OWN_FD ? 4200 + name[0] :
			      next(fd, args[0], args[1], args[2]);
}

#define DEFINE_ANSWER(name)                                          \
	int name(int fd, ...);                                       \
	__attribute__((visibility("default"))) int name(int fd, ...) \
	{                                                            \
		va_list list;                                        \
		long args[3];                                        \
                                                                     \
		va_start(list, fd);                                  \
		for (int i = 0; i < 3; i++)                          \
			args[i] = va_arg(list, long);                \
		va_end(list);                                        \
		return answer(#name, fd, args);                      \
	}

DEFINE_ANSWER(ioctl)
DEFINE_ANSWER(fcntl)
DEFINE_ANSWER(fcntl64)
DEFINE_ANSWER(close)
DEFINE_ANSWER(dup)
DEFINE_ANSWER(dup2)
DEFINE_ANSWER(dup3)
DEFINE_ANSWER(prctl)
