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

/* Marks a function that replaces libc's.  preload.map must list it too. */
#define INTERPOSE __attribute__((visibility("default")))

static inline long sys_result(long ret)
{
	return ret == -1 ? -errno : ret;
}

/*
 * Not through syscall(): this library interposes it, and takes an ioctl made
 * there for one of the program's.
 */
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

/* Converts to libc's convention; a success restores errno. */
static inline int sys_return(long ret, int saved_errno)
{
	errno = ret < 0 ? (int)-ret : saved_errno;
	return ret < 0 ? -1 : (int)ret;
}

#endif
