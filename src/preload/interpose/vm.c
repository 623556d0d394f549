/* SPDX-License-Identifier: MIT */
/* KVM_CREATE_VM and KVM_CREATE_VCPU, seen from outside. */
#include <limits.h>
#include <sys/mman.h>

#include "preload/interpose/config.h"
#include "preload/fds/fdtable.h"
#include "preload/fds/numbers.h"
#include "preload/fds/own.h"
#include "preload/record/record.h"
#include "preload/common/say.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

#define add(counter, value) \
	atomic_fetch_add_explicit(counter, value, memory_order_relaxed)

void vm_tell(struct object_vm *vm)
{
	struct stats *stats = config.stats;
	struct bf_vm_stats now;

	pthread_mutex_lock(&vm->lock);
	bf_front_stats(vm->front, &now);
	add(&stats->assigned, now.assigned - vm->told.assigned);
	add(&stats->deassigned, now.deassigned - vm->told.deassigned);
	add(&stats->never_known, now.never_known - vm->told.never_known);
	add(&stats->installed, now.installed - vm->told.installed);
	add(&stats->refused, now.refused - vm->told.refused);
	vm->told = now;
	pthread_mutex_unlock(&vm->lock);
}

static void tell(int fd)
{
	struct object *obj = fdtable_get_kind(fd, OBJECT_VM);

	if (!obj)
		return;
	if (obj->vm.front)
		vm_tell(&obj->vm);
	object_put(obj);
}

void vm_tell_all(void)
{
	if (config_is_owner())
		fdtable_walk(0, INT_MAX, tell);
}

static void left_alone(const char *why)
{
	add(&config.stats->aside, 1);
	say("belfry: steps aside for a VM: %s", why);
}

void vm_step_aside(struct object_vm *vm, const char *why)
{
	if (!vm->front || atomic_exchange(&vm->aside, true))
		return;
	bf_front_give_all(vm->front);
	vm_tell(vm);
	left_alone(why);
}

static const char *_Atomic aside_from_all;

static void step_aside(int fd)
{
	struct object *obj = fdtable_get_kind(fd, OBJECT_VM);

	if (!obj)
		return;
	vm_step_aside(&obj->vm, atomic_load(&aside_from_all));
	object_put(obj);
}

void vm_step_aside_all(const char *why)
{
	atomic_store(&aside_from_all, why);
	fdtable_walk(0, INT_MAX, step_aside);
}

void vm_called_raw(int fd, unsigned long request)
{
	struct object *obj = _IOC_TYPE(request) == KVMIO ? number_get(fd) :
							   NULL;

	if (!obj)
		return;
	vm_step_aside(number_vm(obj), "it is called past ioctl()");
	object_put(obj);
}

/*
 * The front needs a number of the VM that the program cannot close.  It is
 * closed when the last of the program's numbers of the VM and its vCPUs is.
 */
static bool start_front(struct object_vm *vm, int kvm_fd, int fd)
{
	long size;
	int own;

	size = sys_ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	own = own_dup(fd);
	if (own < 0)
		return false;
	if (size <= 0 ||
	    bf_front_create(&vm->front, own, &config.front, NULL)) {
		own_close(own);
		return false;
	}
	vm->fd = own;
	vm->page_size = (size_t)size;
	return true;
}

static void learn_vm(int kvm_fd, int fd)
{
	const char *why = atomic_load(&aside_from_all);
	struct object *obj = NULL;

	if (why)
		left_alone(why);
	if (!config_forbids(FORBIDDEN_LEARN))
		obj = object_new_vm();
	if (!obj)
		return;
	if (!why && !config.plain && !start_front(&obj->vm, kvm_fd, fd))
		say("belfry: out of resources: a VM runs without it");
	if (!fdtable_set(fd, obj))
		object_put(obj);
}

long vm_create(int kvm_fd, void *arg)
{
	long fd = sys_ioctl(kvm_fd, KVM_CREATE_VM, arg);

	if (fd >= 0 && config_is_owner()) {
		add(&config.stats->vms, 1);
		learn_vm(kvm_fd, (int)fd);
	}
	record_vm((int)fd);
	return fd;
}

/* Not for children: they get EIO from the vCPU, but would hold the VM. */
static struct kvm_run *map_page(int fd, size_t size)
{
	void *page =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return NULL;
	madvise(page, size, MADV_DONTFORK);
	return page;
}

static void learn_vcpu(struct object *vm, int fd)
{
	struct object *obj = object_new_vcpu(vm);

	if (!obj) {
		vm_step_aside(&vm->vm, "out of memory");
		return;
	}
	obj->vcpu.stats = stats_vcpu(config.stats);
	if (vm->vm.front) {
		obj->vcpu.page = map_page(fd, vm->vm.page_size);
		if (!obj->vcpu.page)
			vm_step_aside(&vm->vm, "cannot map a vCPU's run page");
	}
	if (!fdtable_set(fd, obj)) {
		vm_step_aside(&vm->vm, "a vCPU's fd number is too large");
		object_put(obj);
	}
}

static long call(struct object *vm, int fd, uint32_t request, void *arg)
{
	long ret;

	if (!vm || !vm->vm.front)
		return sys_ioctl(fd, request, arg);
	bf_front_call_begins(vm->vm.front, request);
	ret = sys_ioctl(fd, request, arg);
	bf_front_call_ends(vm->vm.front, request);
	return ret;
}

long vm_call(int fd, uint32_t request, void *arg)
{
	struct object *vm = number_learn(fd, OBJECT_VM);
	long ret = call(vm, fd, request, arg);

	if (vm)
		object_put(vm);
	return ret;
}

long vm_create_vcpu(int fd, void *arg)
{
	struct object *vm = number_learn(fd, OBJECT_VM);
	long ret = call(vm, fd, KVM_CREATE_VCPU, arg);

	if (!vm)
		return ret;
	if (ret >= 0 && config_is_owner() && !config_forbids(FORBIDDEN_LEARN))
		learn_vcpu(vm, (int)ret);
	record_vcpu((int)ret, (uintptr_t)arg);
	object_put(vm);
	return ret;
}
