/* SPDX-License-Identifier: MIT */
/*
 * The calls that duplicate fds.  The new fd of a VM or a vCPU becomes an entry
 * of the same object.
 */
/* Meson sets it, and fcntl() would be another name for fcntl64(). */
#undef _FILE_OFFSET_BITS

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"

/* libc's fcntl(), a cancellation point where it waits for a file lock. */
int __fcntl(int fd, int command, ...);

/* @fd is the result of duplicating an fd of @source, which may be NULL. */
static void add_duplicate(int fd, struct object *source)
{
	if (!source)
		return;
	if (fd >= 0)
		fd_table_alias(fd, source);
	else
		object_put(source);
}

INTERPOSE int dup(int fd)
{
	struct object *source = fd_table_get_owned(fd);
	int ret = (int)syscall(SYS_dup, fd);

	add_duplicate(ret, source);
	return ret;
}

/* A successful dup3() has closed the file that @to referred to before. */
static int duplicate_onto(int from, int to, int flags)
{
	int saved_errno = errno;
	struct object *source = fd_table_get_owned(from);
	struct object *old = fd_table_take_owned(to);
	long ret = sys_call(SYS_dup3, from, to, flags, 0, 0, 0);

	add_duplicate((int)ret, source);
	if (old && ret >= 0)
		object_put(old);
	else if (old)
		fd_table_alias(to, old);
	return sys_return(ret, saved_errno);
}

/*
 * The program must not replace a private fd, which the front uses.  EBUSY is
 * the kernel's error for a number that another thread is about to open.
 */
static long refuse_private_fd(int from, int flags)
{
	long ret = sys_fcntl(from, F_GETFD, 0);

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	return ret < 0 ? ret : -EBUSY;
}

static int duplicate(int from, int to, int flags)
{
	int saved_errno = errno;

	if (private_fd_contains(to))
		return sys_return(refuse_private_fd(from, flags), saved_errno);
	return duplicate_onto(from, to, flags);
}

/* With equal numbers dup2() only checks the fd; dup3() refuses them. */
INTERPOSE int dup2(int from, int to)
{
	if (from == to)
		return (int)syscall(SYS_dup2, from, to);
	return duplicate(from, to, 0);
}

INTERPOSE int dup3(int from, int to, int flags)
{
	if (from == to)
		return (int)syscall(SYS_dup3, from, to, flags);
	return duplicate(from, to, flags);
}

static int duplicate_above(int fd, int command, void *arg)
{
	struct object *source = fd_table_get_owned(fd);
	int ret = __fcntl(fd, command, arg);

	add_duplicate(ret, source);
	return ret;
}

static int any_fcntl(int fd, int command, void *arg)
{
	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		return duplicate_above(fd, command, arg);
	return __fcntl(fd, command, arg);
}

INTERPOSE int fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return any_fcntl(fd, command, arg);
}

INTERPOSE int fcntl64(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return any_fcntl(fd, command, arg);
}
