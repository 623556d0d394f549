/* SPDX-License-Identifier: MIT */
/* Life and end of the objects behind fd numbers. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "preload/fds/object.h"
#include "preload/fds/own.h"
#include "preload/record/record.h"
#include "preload/interpose/vm.h"
#include "vm/close.h"

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

static struct object *new_object(enum object_kind kind)
{
	struct object *obj = pop_free();

	if (!obj)
		obj = calloc(1, sizeof(*obj));
	if (obj)
		obj->kind = kind;
	return obj;
}

/*
 * Release: orders the object's new contents before its count, for a late
 * reader whose object_tryget() counts on it.  Without this the reader could
 * see the count of the new object and the contents of the old one.
 */
static void start(struct object *obj)
{
	atomic_store_explicit(&obj->refs, 1, memory_order_release);
}

struct object *object_new_vm(void)
{
	struct object *obj = new_object(OBJECT_VM);

	if (!obj)
		return NULL;
	memset(&obj->vm, 0, sizeof(obj->vm));
	pthread_mutex_init(&obj->vm.lock, NULL);
	obj->vm.fd = -1;
	start(obj);
	return obj;
}

struct object *object_new_vcpu(struct object *vm)
{
	struct object *obj = new_object(OBJECT_VCPU);

	if (!obj)
		return NULL;
	memset(&obj->vcpu, 0, sizeof(obj->vcpu));
	object_get(vm);
	obj->vcpu.vm = vm;
	start(obj);
	return obj;
}

void object_get(struct object *obj)
{
	atomic_fetch_add_explicit(&obj->refs, 1, memory_order_relaxed);
}

/* Acquire: pairs with the release in start(). */
bool object_tryget(struct object *obj)
{
	uint32_t refs = atomic_load_explicit(&obj->refs, memory_order_relaxed);

	while (refs) {
		if (atomic_compare_exchange_weak_explicit(
			    &obj->refs, &refs, refs + 1, memory_order_acquire,
			    memory_order_relaxed))
			return true;
	}
	return false;
}

/*
 * Our mapping of the run page and our number of the VM hold the kernel's VM:
 * without this the VM would live for as long as the process.
 */
static void end_vcpu(struct object_vcpu *vcpu)
{
	if (vcpu->page)
		munmap(vcpu->page, vcpu->vm->vm.page_size);
	object_put(vcpu->vm);
}

static void end_vm(struct object_vm *vm)
{
	if (vm->front) {
		vm_tell(vm);
		bf_front_stop(vm->front);
	}
	if (vm->fd >= 0)
		bf_close_vm(vm->front, vm->fd, own_close);
	bf_front_destroy(vm->front);
	record_vm_end(vm);
	pthread_mutex_destroy(&vm->lock);
}

/*
 * Release and acquire: what others did with the object comes before its end.
 * Without this the last one could unmap a page that another still reads.
 */
void object_put(struct object *obj)
{
	if (atomic_fetch_sub_explicit(&obj->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (obj->kind == OBJECT_VM)
		end_vm(&obj->vm);
	else
		end_vcpu(&obj->vcpu);
	push_free(obj);
}

void object_forked(void)
{
	pthread_mutex_init(&free_lock, NULL);
	free_list = NULL;
}
