/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "preload/common/signals.h"
#include "preload/fds/object.h"
#include "preload/fds/private_fd.h"
#include "preload/fds/vm.h"
#include "front/front.h"

static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;
static struct object *free_list;

static struct object *pop_free(void)
{
	struct object *obj;

	pthread_mutex_lock(&free_lock);
	obj = free_list;
	if (obj)
		free_list = obj->next_free;
	pthread_mutex_unlock(&free_lock);
	return obj;
}

static void push_free(struct object *obj)
{
	pthread_mutex_lock(&free_lock);
	obj->next_free = free_list;
	free_list = obj;
	pthread_mutex_unlock(&free_lock);
}

static struct object *object_alloc(enum object_kind kind)
{
	struct object *obj = pop_free();

	if (!obj)
		obj = calloc(1, sizeof(*obj));
	if (obj)
		obj->kind = kind;
	return obj;
}

/*
 * Release: orders the stores to the object before the count, for a reader that
 * still has the memory's old address and calls object_tryget().  Without it the
 * reader could take a reference on the new object and see the old contents.
 */
static void object_start(struct object *obj)
{
	atomic_store_explicit(&obj->refs, 1, memory_order_release);
}

struct object *object_new_vm(void)
{
	struct object *obj = object_alloc(OBJECT_VM);

	if (!obj)
		return NULL;
	memset(&obj->vm, 0, sizeof(obj->vm));
	obj->vm.fd = -1;
	object_start(obj);
	return obj;
}

struct object *object_new_vcpu(struct object *vm)
{
	struct object *obj = object_alloc(OBJECT_VCPU);

	if (!obj)
		return NULL;
	memset(&obj->vcpu, 0, sizeof(obj->vcpu));
	object_get(vm);
	obj->vcpu.vm = vm;
	object_start(obj);
	return obj;
}

struct object *object_new_device(struct object *vm)
{
	struct object *obj = object_alloc(OBJECT_DEVICE);

	if (!obj)
		return NULL;
	object_get(vm);
	obj->device.vm = vm;
	object_start(obj);
	return obj;
}

static void end_vm(struct object_vm *vm)
{
	if (vm->front)
		bf_front_stop(vm->front);
	if (vm->fd >= 0)
		bf_close_vm(vm->front, vm->fd, private_fd_close);
	bf_front_destroy(vm->front);
	record_vm_end(vm->number);
}

/*
 * The mapping of the run page holds the kernel's VM, as the private fd does.
 * Without the munmap() the VM would live as long as the process.
 */
static void end_vcpu(struct object_vcpu *vcpu)
{
	bf_front_detach_vcpu(vcpu->front);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->vm->vm.run_size);
	object_put(vcpu->vm);
}

static void end_later(struct signals_work *end)
{
	object_end(container_of(end, struct object, end));
}

void object_end(struct object *obj)
{
	struct signals_held held;

	obj->end.fn = end_later;
	if (signals_put_off(&obj->end))
		return;
	held = signals_hold();
	switch (obj->kind) {
	case OBJECT_VM:
		end_vm(&obj->vm);
		break;
	case OBJECT_VCPU:
		end_vcpu(&obj->vcpu);
		break;
	case OBJECT_DEVICE:
		object_put(obj->device.vm);
		break;
	}
	push_free(obj);
	signals_release(held);
}

void object_forget_free(void)
{
	pthread_mutex_init(&free_lock, NULL);
	free_list = NULL;
}
