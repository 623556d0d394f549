/* SPDX-License-Identifier: MIT */
/*
 * After fork() the kernel answers EIO to whatever the child does with its
 * parent's VMs.  So the child forgets them, and gives up our numbers of them:
 * the program does not know these, and the VM must end when the parent's does.
 * Their fronts are abandoned; they may have been in use by other threads.
 */
#include <limits.h>
#include <pthread.h>

#include "preload/interpose/config.h"
#include "preload/fds/fdtable.h"
#include "preload/interpose/fork.h"
#include "preload/fds/numbers.h"
#include "preload/fds/own.h"
#include "preload/record/record.h"

static void give_up(int fd)
{
	struct object *obj = fdtable_get(fd);
	struct object_vm *vm;

	if (!obj)
		return;
	vm = number_vm(obj);
	if (vm->fd >= 0)
		own_close(vm->fd);
	vm->fd = -1;
}

static void in_child(void)
{
	object_forked();
	fdtable_walk(0, INT_MAX, give_up);
	fdtable_forget();
	own_forget();
	record_forked();
	config_own();
}

void fork_setup(void)
{
	pthread_atfork(NULL, NULL, in_child);
}
