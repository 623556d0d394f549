/* SPDX-License-Identifier: MIT */
/*
 * The calls that close fds.  An entry leaves the fd table before the close,
 * because afterwards another thread may get the number.  A private fd looks
 * closed to the program: these calls leave it open.
 */
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/signals.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/interpose/next.h"

static void end_replacement(const int *fd)
{
	private_fd_replace_ends(*fd);
}

/* The thread may be cancelled here: the library is built for unwinding. */
static int close_counted(int fd)
{
	const int counted __attribute__((cleanup(end_replacement))) = fd;

	return next()->close(counted);
}

static int close_of_program(int fd)
{
	if (!private_fd_replace_begins(fd))
		return next_return(-EBADF, 0);
	return close_counted(fd);
}

/* A close that is cancelled would leave the object without its end. */
static long close_uncancelled(int fd)
{
	int state;
	long ret;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	ret = next_result(close_of_program(fd));
	pthread_setcancelstate(state, NULL);
	return ret;
}

/*
 * Drops the entry's reference within the measured time: the last one ends the
 * object, and maybe its VM.
 */
static long close_object(int fd, struct object *obj)
{
	static const uint32_t keys[] = {
		[OBJECT_VM] = STATS_CLOSE_VM,
		[OBJECT_VCPU] = STATS_CLOSE_VCPU,
		[OBJECT_DEVICE] = STATS_CLOSE_DEVICE,
	};
	uint32_t key = keys[obj->kind];
	struct record_who who = object_who(obj);
	bool untracked = object_vm_of(obj)->untracked;
	uint64_t start = bf_now_ns();
	long ret = close_uncancelled(fd);

	object_put(obj);
	if (!untracked)
		record_call(who, key, start, ret);
	return ret;
}

INTERPOSE int close(int fd)
{
	int saved_errno = errno;
	struct object *obj = fd_table_take_owned(fd);

	if (!obj)
		return close_of_program(fd);
	return next_return(close_object(fd, obj), saved_errno);
}

static void close_entry(int fd)
{
	struct object *obj = fd_table_take(fd);

	if (obj)
		close_object(fd, obj);
}

/*
 * The thread gets an fd table of its own, without these fds.  The other threads
 * keep theirs, and the library's table cannot describe both.
 */
static void pass_through_unshared(int fd)
{
	fd_table_pass_through(fd, "a thread unshares its fds");
}

static void before_close_range(unsigned int first, unsigned int last,
			       unsigned int flags)
{
	if (flags & CLOSE_RANGE_UNSHARE)
		fd_table_walk(first, last, pass_through_unshared);
	else if (!flags)
		fd_table_walk(first, last, close_entry);
}

/*
 * Calls close_range() for the pieces between private fds, each with the same
 * flags: a second CLOSE_RANGE_UNSHARE does nothing.  The last piece is closed
 * in any case, even if it contains no valid fd, because the call also unshares
 * and checks the flags.
 */
static int close_around_private(unsigned int first, unsigned int last,
				int flags)
{
	int fd;

	while (first <= last && (fd = private_fd_first(first, last)) >= 0) {
		unsigned int end = (unsigned int)fd;

		if (first < end && next()->close_range(first, end - 1, flags))
			return -1;
		first = end + 1;
	}
	if (first > last)
		first = last = ~0u;
	return next()->close_range(first, last, flags);
}

/* No handler runs meanwhile, so none leaves the sweep open by a long jump. */
static int sweep(unsigned int first, unsigned int last, int flags)
{
	struct signals_held held = signals_hold();
	int ret;

	private_fd_sweep_begins();
	ret = close_around_private(first, last, flags);
	if (!ret)
		private_fd_swept(first, last);
	private_fd_sweep_ends();
	signals_release(held);
	return ret;
}

INTERPOSE int close_range(unsigned int first, unsigned int last, int flags)
{
	if (first > last || (flags & CLOSE_RANGE_CLOEXEC) ||
	    !process_is_owner())
		return next()->close_range(first, last, flags);
	before_close_range(first, last, (unsigned int)flags);
	return sweep(first, last, flags);
}

/* For a kernel without close_range(2). */
static void close_each(int first)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > INT_MAX)
		return;
	for (int fd = first; fd < (int)limit.rlim_cur; fd++)
		close(fd);
}

INTERPOSE void closefrom(int first)
{
	int saved_errno = errno;

	if (first < 0)
		first = 0;
	if (close_range((unsigned int)first, ~0u, 0))
		close_each(first);
	errno = saved_errno;
}
