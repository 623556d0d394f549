/* SPDX-License-Identifier: MIT */
/* Numbers that the program makes and ends. */
#include "preload/config.h"
#include "preload/fdtable.h"
#include "preload/numbers.h"
#include "preload/vm.h"

struct object *number_take(int fd)
{
	if (!fdtable_knows(fd) || !config_is_owner())
		return NULL;
	return fdtable_take(fd);
}

struct object *number_get(int fd)
{
	if (!fdtable_knows(fd) || !config_is_owner())
		return NULL;
	return fdtable_get(fd);
}

struct object_vm *number_vm(struct object *obj)
{
	return obj->kind == OBJECT_VM ? &obj->vm : &obj->vcpu.vm->vm;
}

void number_give(int fd, struct object *obj)
{
	if (fdtable_set(fd, obj))
		return;
	vm_step_aside(number_vm(obj), "an fd number is too large");
	object_put(obj);
}
