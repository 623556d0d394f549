/* SPDX-License-Identifier: MIT */
/*
 * The calls that the front answers.  It gets all of the structure, and hands
 * flags of a later kernel and padding in use on as they are; memory that
 * cannot be read is the kernel's to refuse.
 */
#include <signal.h>
#include <string.h>

#include "preload/interpose/config.h"
#include "preload/interpose/doorbell.h"
#include "preload/fds/fdtable.h"
#include "preload/fds/numbers.h"
#include "preload/record/record.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

/*
 * The kernel reads a signal set before it finds that -1 is no way to use it:
 * EFAULT tells that the memory cannot be read, and nothing else happens.
 */
static bool is_readable(const void *addr)
{
	const size_t size = 8;

	return sys_result(syscall(SYS_rt_sigprocmask, -1, addr, NULL, size)) !=
	       -EFAULT;
}

/* @size is less than a page, so both ends tell all. */
static bool copy_in(void *to, const char *from, size_t size)
{
	if (!is_readable(from) || !is_readable(from + size - 8))
		return false;
	memcpy(to, from, size);
	return true;
}

static uint32_t key_of(const struct kvm_ioeventfd *arg)
{
	return arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? STATS_DEASSIGN :
							  KVM_IOEVENTFD;
}

static long answer(struct object_vm *vm, int fd,
		   const struct kvm_ioeventfd *copy, void *arg)
{
	long ret;

	if (!vm->front || !config_is_owner())
		return sys_ioctl(fd, KVM_IOEVENTFD, arg);
	ret = bf_front_ioeventfd(vm->front, copy);
	atomic_store_explicit(&vm->changed, true, memory_order_relaxed);
	return ret;
}

static long answer_and_tell(int fd, const struct kvm_ioeventfd *copy, void *arg)
{
	struct object *vm = number_learn(fd, OBJECT_VM);
	long ret;

	if (!vm)
		return sys_ioctl(fd, KVM_IOEVENTFD, arg);
	ret = answer(&vm->vm, fd, copy, arg);
	record_doorbell(&vm->vm, copy, ret);
	object_put(vm);
	return ret;
}

/* Answers that the kernel cannot give without the memory. */
static bool was_read(long ret)
{
	return !ret || ret == -ENOENT || ret == -EEXIST || ret == -ENOSPC;
}

/*
 * Belfry has stepped aside, because what it takes to answer is forbidden.  The
 * kernel has all doorbells, but for those that it would not have; the front
 * hears of a removal afterwards.
 */
static long let_kernel_answer(int fd, struct kvm_ioeventfd *arg, uint32_t *key)
{
	struct object *vm = fdtable_get_kind(fd, OBJECT_VM);
	long ret = sys_ioctl(fd, KVM_IOEVENTFD, arg);

	if (!vm)
		return ret;
	if (was_read(ret)) {
		*key = key_of(arg);
		if (vm->vm.front && *key == STATS_DEASSIGN)
			ret = bf_front_removed(vm->vm.front, arg, (int)ret);
		record_doorbell(&vm->vm, arg, ret);
	}
	object_put(vm);
	return ret;
}

long doorbell_ioeventfd(int fd, void *arg, uint32_t *key)
{
	struct kvm_ioeventfd copy;

	if (config_forbids(FORBIDDEN_FRONT))
		return let_kernel_answer(fd, arg, key);
	if (!copy_in(&copy, arg, sizeof(copy)))
		return sys_ioctl(fd, KVM_IOEVENTFD, arg);
	*key = key_of(&copy);
	return answer_and_tell(fd, &copy, arg);
}

long doorbell_zone(int fd, uint32_t request, void *arg)
{
	struct kvm_coalesced_mmio_zone copy;
	struct object *vm = number_learn(fd, OBJECT_VM);
	long ret;

	if (!vm)
		return sys_ioctl(fd, request, arg);
	if (vm->vm.front && !config_forbids(FORBIDDEN_FRONT) &&
	    config_is_owner() && copy_in(&copy, arg, sizeof(copy)))
		ret = bf_front_zone(vm->vm.front, request, &copy);
	else
		ret = sys_ioctl(fd, request, arg);
	object_put(vm);
	return ret;
}
