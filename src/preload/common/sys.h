/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own calls, beneath the functions that this library interposes.
 * Results and errors in one number, as the kernel gives them.
 */
#ifndef BF_PRELOAD_SYS_H
#define BF_PRELOAD_SYS_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A function that stands before libc's; preload.map names it too. */
#define INTERPOSE __attribute__((visibility("default")))

static inline long sys_result(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* Not by syscall(), which tells the program's own calls from ours. */
static inline long sys_ioctl(int fd, unsigned long request, void *arg)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(SYS_ioctl), "D"((long)fd), "S"(request), "d"(arg)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_close(int fd)
{
	return sys_result(syscall(SYS_close, fd));
}

static inline long sys_fcntl(int fd, int command, long arg)
{
	return sys_result(syscall(SYS_fcntl, fd, command, arg));
}

/* Back to what a caller of libc expects; errno is kept on success. */
static inline int sys_return(long ret, int saved_errno)
{
	errno = ret < 0 ? (int)-ret : saved_errno;
	return ret < 0 ? -1 : (int)ret;
}

#endif
