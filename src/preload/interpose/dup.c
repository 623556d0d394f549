/* SPDX-License-Identifier: MIT */
/*
 * The calls that make fd numbers of others.  fcntl() goes on to libc's own
 * name for it, which is a point of cancellation where it waits for a lock.
 */
/* Meson sets it, and fcntl() would be another name for fcntl64(). */
#undef _FILE_OFFSET_BITS

#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "preload/fds/numbers.h"
#include "preload/fds/own.h"
#include "preload/common/sys.h"

int __fcntl(int fd, int command, ...);

INTERPOSE int dup(int fd)
{
	struct object *obj = number_get(fd);
	int ret = (int)syscall(SYS_dup, fd);

	if (!obj)
		return ret;
	if (ret >= 0)
		number_give(ret, obj);
	else
		object_put(obj);
	return ret;
}

/* @to was closed by the call, or is what it was. */
static void settle(long ret, int to, struct object *source, struct object *old)
{
	if (ret >= 0 && source)
		number_give(to, source);
	else if (source)
		object_put(source);

	if (old && ret >= 0)
		object_put(old);
	else if (old)
		number_give(to, old);
}

/*
 * A number of ours cannot be had: the front goes on using it.  EBUSY is what
 * the kernel says of a number that is being taken.
 */
static long refuse(int from, int flags)
{
	long ret = sys_fcntl(from, F_GETFD, 0);

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	return ret < 0 ? ret : -EBUSY;
}

static int replace(int from, int to, int flags)
{
	int saved_errno = errno;
	struct object *source = number_get(from);
	struct object *old = number_take(to);
	long ret = sys_result(syscall(SYS_dup3, from, to, flags));

	settle(ret, to, source, old);
	return sys_return(ret, saved_errno);
}

static int duplicate(int from, int to, int flags)
{
	int saved_errno = errno;

	if (own_has(to))
		return sys_return(refuse(from, flags), saved_errno);
	return replace(from, to, flags);
}

/* dup3() refuses two equal numbers; here they only ask whether one is open. */
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
	struct object *obj = number_get(fd);
	int ret = __fcntl(fd, command, arg);

	if (!obj)
		return ret;
	if (ret >= 0)
		number_give(ret, obj);
	else
		object_put(obj);
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
