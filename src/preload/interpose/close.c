/* SPDX-License-Identifier: MIT */
/*
 * The calls that end fd numbers.  A number leaves the table before it is
 * closed: afterwards another thread may have it again.  What is no VM and no
 * vCPU goes to libc's own name for close(), which is a point of cancellation.
 * Our own numbers are as good as not open.
 */
#include <limits.h>
#include <linux/close_range.h>
#include <sys/resource.h>
#include <unistd.h>

#include "preload/interpose/config.h"
#include "preload/fds/fdtable.h"
#include "preload/fds/numbers.h"
#include "preload/fds/own.h"
#include "preload/record/record.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

int __close(int fd);

/* Gives the reference back, and with the last one the VM or the vCPU ends. */
static long close_known(int fd, struct object *obj)
{
	uint32_t key = obj->kind == OBJECT_VM ? STATS_CLOSE_VM :
						STATS_CLOSE_VCPU;
	struct record_who who = record_who(obj);
	bool counts = !number_vm(obj)->stranger;
	uint64_t start = stats_now();
	long ret = sys_close(fd);

	object_put(obj);
	if (counts) {
		stats_record(config.stats, key, start, ret < 0);
		record_close(who, key, start, ret);
	}
	return ret;
}

INTERPOSE int close(int fd)
{
	int saved_errno = errno;
	struct object *obj = number_take(fd);

	if (!obj && own_has(fd))
		return sys_return(-EBADF, saved_errno);
	if (!obj)
		return __close(fd);
	return sys_return(close_known(fd, obj), saved_errno);
}

static void close_one(int fd)
{
	struct object *obj = fdtable_take(fd);

	if (obj)
		close_known(fd, obj);
}

/* Other threads keep the numbers that this one is about to lose. */
static void lose_sight(int fd)
{
	struct object *obj = fdtable_get(fd);

	if (!obj)
		return;
	vm_step_aside(number_vm(obj), "a thread unshares its fds");
	object_put(obj);
}

static void before_close_range(unsigned int first, unsigned int last,
			       unsigned int flags)
{
	if (first > last || (flags & CLOSE_RANGE_CLOEXEC) || !config_is_owner())
		return;
	if (flags & CLOSE_RANGE_UNSHARE)
		fdtable_walk(first, last, lose_sight);
	else if (!flags)
		fdtable_walk(first, last, close_one);
}

/*
 * Each piece has the flags: to unshare again what is not shared does nothing.
 * There is always a last one, maybe of no number that can be open, because
 * even that unshares, and refuses unknown flags.
 */
static int close_around(unsigned int first, unsigned int last, int flags)
{
	int own;

	while (first <= last && (own = own_first(first, last)) >= 0) {
		unsigned int end = (unsigned int)own;

		if (first < end &&
		    syscall(SYS_close_range, first, end - 1, flags))
			return -1;
		first = end + 1;
	}
	if (first > last)
		first = last = ~0u;
	return (int)syscall(SYS_close_range, first, last, flags);
}

INTERPOSE int close_range(unsigned int first, unsigned int last, int flags)
{
	before_close_range(first, last, (unsigned int)flags);
	if (first > last || (flags & CLOSE_RANGE_CLOEXEC) || !config_is_owner())
		return (int)syscall(SYS_close_range, first, last, flags);
	return close_around(first, last, flags);
}

/* Where the kernel has no close_range(). */
static void close_each(int first)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > INT_MAX)
		return;
	for (int fd = first; fd < (int)limit.rlim_cur; fd++) {
		if (!own_has(fd))
			sys_close(fd);
	}
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
