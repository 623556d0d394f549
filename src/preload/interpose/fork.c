/* SPDX-License-Identifier: MIT */
/*
 * After fork() the kernel answers EIO to every call of the child on its
 * parent's VMs, so the child forgets them.  It closes the private fds: the
 * program does not know these, a VM must end with the parent, and an eventfd
 * with its last holder.  It abandons the fronts: another thread may have been
 * inside one.
 */
#include <linux/kcmp.h>
#include <sched.h>
#include <unistd.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/signals.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/fds/private_fd.h"
#include "preload/interpose/fork.h"
#include "preload/interpose/next.h"
#include "preload/seccomp/forbidden.h"

/*
 * A child by a raw clone() may share its fds with the parent, and only the
 * parent may close those.  False if the kernel does not tell: the parent has
 * ended, or belongs to another PID namespace.
 */
static bool has_own_fds(bool raw)
{
	if (!raw)
		return true;
	return !thread_forbids(FORBIDDEN_LEARN | FORBIDDEN_PID) &&
	       process_parent != process_pid &&
	       sys_call(SYS_kcmp, process_pid, process_parent, KCMP_FILES, 0, 0,
			0) > 0;
}

/*
 * In a child by a raw clone() the locks of the C library and of the front are
 * as a thread of the parent left them, so the kernel answers all calls.
 */
void fork_forget_parent(bool raw)
{
	object_forget_free();
	signals_forget();
	if (raw)
		config.plain = true;
	if (has_own_fds(raw))
		private_fd_close_all();
	fd_table_forget();
	private_fd_forget();
	record_forked();
}

/*
 * Children that pthread_atfork() does not see.  They have the eventfds, too,
 * and must not block a signal of the parent.
 */
INTERPOSE pid_t _Fork(void)
{
	shared_eventfd_share();
	return next()->_Fork();
}

int clone_of_program(int (*fn)(void *), void *stack, int flags, void *arg,
		     void *parent_tid, void *tls, void *child_tid)
	INTERPOSE_AS("clone");

int clone_of_program(int (*fn)(void *), void *stack, int flags, void *arg,
		     void *parent_tid, void *tls, void *child_tid)
{
	if (!(flags & CLONE_VM))
		shared_eventfd_share();
	return next()->clone(fn, stack, flags, arg, parent_tid, tls, child_tid);
}
