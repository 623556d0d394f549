/* SPDX-License-Identifier: MIT */
/*
 * The next definition of each function that the library replaces: another
 * preload library's, or the C library's.  Calls of the program that are not
 * belfry's business go there.
 */
#ifndef BF_PRELOAD_NEXT_H
#define BF_PRELOAD_NEXT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/util.h"

/* Marks a function that replaces another one.  preload.map must list it too. */
#define INTERPOSE __attribute__((visibility("default")))

/*
 * For a function with variable arguments.  They are integers and pointers,
 * which the ABI passes as it passes those of a fixed list.
 */
#define INTERPOSE_AS(name) __asm__(name) INTERPOSE

struct next {
	int (*ioctl)(int fd, unsigned long request, ...);
	int (*close)(int fd);
	int (*close_range)(unsigned int first, unsigned int last, int flags);
	int (*dup)(int fd);
	int (*dup2)(int from, int to);
	int (*dup3)(int from, int to, int flags);
	int (*fcntl)(int fd, int command, ...);
	int (*fcntl64)(int fd, int command, ...);
	int (*prctl)(int option, ...);
	ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
	int (*sendmmsg)(int fd, struct mmsghdr *messages, unsigned int count,
			int flags);
	ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
	int (*recvmmsg)(int fd, struct mmsghdr *messages, unsigned int count,
			int flags, struct timespec *timeout);
	int (*clone)(int (*fn)(void *), void *stack, int flags, void *arg, ...);
	pid_t (*_Fork)(void);
	long (*syscall)(long nr, ...);
};

extern struct next next_functions;

/* No other library replaces ioctl(). */
extern bool next_ioctl_is_libc;

/* Finds all of them.  The constructor of another library may come first. */
void next_find(void);

static inline const struct next *next(void)
{
	if (unlikely(!next_functions.ioctl))
		next_find();
	return &next_functions;
}

/* What an interposed function returns; a success restores errno. */
static inline int next_return(long ret, int saved_errno)
{
	errno = ret < 0 ? (int)-ret : saved_errno;
	return ret < 0 ? -1 : (int)ret;
}

/* The result of one of them as a negative errno, like the kernel's. */
static inline long next_result(long ret)
{
	return ret < 0 ? -errno : ret;
}

#endif
