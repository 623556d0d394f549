/* SPDX-License-Identifier: MIT */
/*
 * The calls that duplicate fds.  The new fd of a VM or a vCPU becomes an entry
 * of the same object.
 */
#include <fcntl.h>
#include <unistd.h>

#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/interpose/next.h"

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
	int ret = next()->dup(fd);

	add_duplicate(ret, source);
	return ret;
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

/* A dup2() or dup3(); @old: the object of the file that it closes. */
struct replacement {
	int to;
	struct object *source;
	struct object *old;
};

/* False: @to is private. */
static bool before_dup(struct replacement *replacement, int from, int to)
{
	if (!private_fd_replace_begins(to))
		return false;
	*replacement = (struct replacement){to, fd_table_get_owned(from),
					    fd_table_take_owned(to)};
	return true;
}

static int after_dup(const struct replacement *replacement, int ret)
{
	struct object *old = replacement->old;
	int saved_errno = errno;

	if (ret >= 0)
		private_fd_put(ret);
	private_fd_replace_ends(replacement->to);
	add_duplicate(ret, replacement->source);
	if (old && ret >= 0)
		object_put(old);
	else if (old)
		fd_table_alias(replacement->to, old);
	errno = saved_errno;
	return ret;
}

/* With equal numbers dup2() only checks the fd, and dup3() refuses them. */
INTERPOSE int dup2(int from, int to)
{
	struct replacement replacement;

	if (from == to)
		return next()->dup2(from, to);
	if (!before_dup(&replacement, from, to))
		return next_return(refuse_private_fd(from, 0), errno);
	return after_dup(&replacement, next()->dup2(from, to));
}

INTERPOSE int dup3(int from, int to, int flags)
{
	struct replacement replacement;

	if (from == to)
		return next()->dup3(from, to, flags);
	if (!before_dup(&replacement, from, to))
		return next_return(refuse_private_fd(from, flags), errno);
	return after_dup(&replacement, next()->dup3(from, to, flags));
}

static int call_fcntl(int (*function)(int, int, ...), int fd, int command,
		      void *arg)
{
	struct object *source = NULL;
	int ret;

	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		source = fd_table_get_owned(fd);
	ret = function(fd, command, arg);
	add_duplicate(ret, source);
	return ret;
}

/* One function under two names, of which another library may replace one. */
int fcntl_of_program(int fd, int command, void *arg) INTERPOSE_AS("fcntl");
int fcntl64_of_program(int fd, int command, void *arg) INTERPOSE_AS("fcntl64");

int fcntl_of_program(int fd, int command, void *arg)
{
	return call_fcntl(next()->fcntl, fd, command, arg);
}

int fcntl64_of_program(int fd, int command, void *arg)
{
	return call_fcntl(next()->fcntl64, fd, command, arg);
}
