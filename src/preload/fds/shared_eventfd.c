/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "base/util.h"
#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/seccomp/forbidden.h"

static _Atomic bool used; /* the front has had a doorbell */

static void pass_through(int fd)
{
	fd_table_pass_through(fd, "another process may have its eventfds, and"
				  " a filter or the kernel refuses io_submit");
}

/*
 * A thread that must not register a doorbell cannot give it to the kernel.  The
 * question may make the context that signals need, and the exit of a process
 * with a context takes 36 ms: not without a doorbell.
 */
static void pass_through_if_unsafe(void)
{
	if (!atomic_load(&used) || !bf_eventfd_may_sleep())
		return;
	if (!thread_forbids(FORBIDDEN_HELPER))
		bf_eventfd_start_relay();
	if (!thread_forbids(FORBIDDEN_REGISTER))
		fd_table_walk(0, INT_MAX, pass_through);
}

void shared_eventfd_registered(void)
{
	if (config.front.policy == BF_POLICY_EAGER)
		return;
	if (unlikely(!atomic_load_explicit(&used, memory_order_relaxed)))
		atomic_store(&used, true);
	if (unlikely(bf_eventfd_is_shared()))
		pass_through_if_unsafe();
}

void shared_eventfd_share(void)
{
	if (bf_eventfd_is_shared())
		return;
	bf_eventfd_share();
	pass_through_if_unsafe();
}

void shared_eventfd_forbid_completion(void)
{
	bf_eventfd_forbid_completion();
	pass_through_if_unsafe();
}

void shared_eventfd_find(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!dir) {
		bf_eventfd_share();
		return;
	}
	while (!bf_eventfd_is_shared() && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' &&
		    !bf_eventfd_check(atoi(entry->d_name)))
			bf_eventfd_share();
	closedir(dir);
}

/*
 * Without FD_CLOEXEC each program that the VMM executes gets the eventfd, also
 * by posix_spawn() and system(), which this library does not see.
 */
int shared_eventfd_dup(int fd)
{
	if (!bf_eventfd_is_shared() && sys_fcntl(fd, F_GETFD, 0) != FD_CLOEXEC)
		bf_eventfd_share();
	return private_fd_dup(fd);
}
