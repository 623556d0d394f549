/* SPDX-License-Identifier: MIT */
/*
 * After fork() the kernel answers EIO to every call of the child on its
 * parent's VMs, so the child forgets them.  It closes the private fds of the
 * VMs: the program does not know these, and a VM must end with the parent.  It
 * abandons the fronts: another thread may have been inside one.
 */
#include <limits.h>
#include <pthread.h>

#include "preload/common/config.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/private_fd.h"
#include "preload/interpose/fork.h"

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

static void forget_parent(void)
{
	object_forget_free();
	fd_table_walk(0, INT_MAX, close_private_fd);
	fd_table_forget();
	private_fd_forget();
	record_forked();
	config_set_owner();
}

void fork_setup(void)
{
	pthread_atfork(NULL, NULL, forget_parent);
}
