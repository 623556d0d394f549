/* SPDX-License-Identifier: MIT */
/*
 * System calls, made beneath the functions that this library interposes.  They
 * return the result or a negative errno, as the kernel does.
 */
#ifndef BF_PRELOAD_SYS_H
#define BF_PRELOAD_SYS_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Any system call, as the kernel takes it. */
static inline long sys_call(long nr, long arg0, long arg1, long arg2, long arg3,
			    long arg4, long arg5)
{
	register long r10 __asm__("r10") = arg3;
	register long r8 __asm__("r8") = arg4;
	register long r9 __asm__("r9") = arg5;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(arg0), "S"(arg1), "d"(arg2), "r"(r10),
			   "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_ioctl(int fd, unsigned long request, void *arg)
{
	return sys_call(SYS_ioctl, fd, (long)request, (long)arg, 0, 0, 0);
}

static inline long sys_close(int fd)
{
	return sys_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long sys_fcntl(int fd, int command, long arg)
{
	return sys_call(SYS_fcntl, fd, command, arg, 0, 0, 0);
}

/* Converts any result to that of libc's syscall(). */
static inline long sys_libc_result(long ret)
{
	const long max_errno = 4095;

	if (ret >= 0 || ret < -max_errno)
		return ret;
	errno = (int)-ret;
	return -1;
}

#endif
