/* SPDX-License-Identifier: MIT */
/* Numbers that the program makes and ends. */
#include "io_bus/same_file.h"
#include "preload/interpose/config.h"
#include "preload/fds/fdtable.h"
#include "preload/fds/numbers.h"
#include "preload/record/recording.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"
#include "base/util.h"

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

static bool is_same_file(int number, int fd)
{
	return bf_same_file(number, fd) == 1;
}

static bool is_same_but_other(int number, int fd)
{
	return number != fd && is_same_file(number, fd);
}

/* A VM, or a vCPU of one, that belfry has no part in. */
static struct object *new_stranger(enum object_kind kind)
{
	struct object *vm = object_new_vm(), *vcpu;

	if (!vm)
		return NULL;
	vm->vm.stranger = true;
	if (kind == OBJECT_VM)
		return vm;
	vcpu = object_new_vcpu(vm);
	object_put(vm);
	if (!vcpu)
		return NULL;
	vcpu->vcpu.id = RECORDED_NO_VCPU;
	vcpu->vcpu.stats = &config.stats->vcpu[0];
	return vcpu;
}

/* Where the kernel cannot compare files, or none may ask, it stays unknown. */
static struct object *learn(int fd, enum object_kind kind)
{
	struct object *obj;

	if (config_forbids(FORBIDDEN_LEARN) || !config_is_owner() ||
	    !is_same_file(fd, fd))
		return NULL;
	obj = fdtable_find(is_same_but_other, fd);
	if (!obj)
		obj = new_stranger(kind);
	if (!obj)
		return NULL;
	object_get(obj);
	if (!fdtable_set(fd, obj))
		object_put(obj);
	return obj;
}

struct object *number_learn(int fd, enum object_kind kind)
{
	struct object *obj = fdtable_get(fd);

	if (unlikely(!obj))
		obj = learn(fd, kind);
	if (obj && obj->kind != kind) {
		object_put(obj);
		return NULL;
	}
	return obj;
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
