/* SPDX-License-Identifier: MIT */
/*
 * After fork() the kernel answers EIO to every call of the child on its
 * parent's VMs, so the child forgets them.  It closes the private fds of the
 * VMs: the program does not know these, and a VM must end with the parent.  It
 * abandons the fronts: another thread may have been inside one.
 */
#include <limits.h>
#include <sched.h>
#include <unistd.h>

#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/interpose/fork.h"
#include "preload/interpose/next.h"

static void close_private_fd(int fd)
{
	struct object *obj = fd_table_get(fd);
	struct object_vm *vm;

	if (!obj)
		return;
	vm = object_vm_of(obj);
	if (vm->fd >= 0)
		private_fd_close(vm->fd);
	vm->fd = -1;
}

/*
 * In a child by a raw clone() the locks of the C library and of the front are
 * as a thread of the parent left them, so the kernel answers all calls.  Its
 * fds may be shared with the parent, so the private ones stay open.
 */
void fork_forget_parent(bool raw)
{
	object_forget_free();
	if (raw)
		config.plain = true;
	else
		fd_table_walk(0, INT_MAX, close_private_fd);
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
	bf_eventfd_share();
	return next()->_Fork();
}

int clone_of_program(int (*fn)(void *), void *stack, int flags, void *arg,
		     void *parent_tid, void *tls, void *child_tid)
	INTERPOSE_AS("clone");

int clone_of_program(int (*fn)(void *), void *stack, int flags, void *arg,
		     void *parent_tid, void *tls, void *child_tid)
{
	if (!(flags & CLONE_VM))
		bf_eventfd_share();
	return next()->clone(fn, stack, flags, arg, parent_tid, tls, child_tid);
}
