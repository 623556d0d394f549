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

/* sys_call(): any system call, as the kernel takes it. */
#ifdef __x86_64__
#include "preload/common/sys_x86.h"
#else
#include "preload/common/sys_arm64.h"
#endif

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
