/* SPDX-License-Identifier: MIT */
/*
 * ioctl().  A KVM call is timed and answered here, by the front or the kernel;
 * any other call, and one that cannot wait (untimed.h), pays a few branches.
 */
#include <linux/kvm.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "preload/common/config.h"
#include "preload/common/memory.h"
#include "preload/common/process.h"
#include "preload/common/signals.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/fds/vm.h"
#include "preload/interpose/cleanup.h"
#include "preload/interpose/device.h"
#include "preload/interpose/kick.h"
#include "preload/interpose/next.h"
#include "preload/interpose/run.h"
#include "preload/interpose/untimed.h"
#include "preload/seccomp/forbidden.h"

/* One ioctl of the program. */
struct call {
	int fd;
	uint32_t request;
	void *arg;
	uint32_t key; /* in the counters: the request, or enum stats_key */
	struct record_who who;
	/* What the call holds. */
	int forbidden_idx, cancel_state;
	struct object *obj;
	bool told_front;

	bool copied; /* the argument, to the member that fits the request */
	union {
		struct kvm_ioeventfd ioeventfd;
		struct kvm_coalesced_mmio_zone zone;
		struct kvm_create_device device;
		struct kvm_device_attr attr;
		uint32_t debug[2]; /* the begin of struct kvm_guest_debug */
	};
};

static long call_kernel(const struct call *call)
{
	return next_result(next()->ioctl(call->fd, call->request, call->arg));
}

/* Copies all of a structure: padding and the flags of later kernels, too. */
static bool copy_from_program(void *to, const void *from, size_t size)
{
	forbidden_disprove();
	if (!memory_is_readable(from, size))
		return false;
	memcpy(to, from, size);
	return true;
}

static uint32_t ioeventfd_key(const struct kvm_ioeventfd *arg)
{
	return arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN ? STATS_DEASSIGN :
							  KVM_IOEVENTFD;
}

/*
 * Reads the arguments that the library must know.  If one cannot be copied, the
 * kernel gets the call, and fails it if the memory cannot be read.
 */
static void read_arg(struct call *call)
{
	switch (call->request) {
	case KVM_IOEVENTFD:
		call->copied = copy_from_program(&call->ioeventfd, call->arg,
						 sizeof(call->ioeventfd));
		if (call->copied)
			call->key = ioeventfd_key(&call->ioeventfd);
		break;
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		call->copied = copy_from_program(&call->zone, call->arg,
						 sizeof(call->zone));
		break;
	case (uint32_t)KVM_CREATE_DEVICE:
		call->copied = copy_from_program(&call->device, call->arg,
						 sizeof(call->device));
		break;
	case KVM_SET_DEVICE_ATTR:
		call->copied = copy_from_program(&call->attr, call->arg,
						 sizeof(call->attr));
		break;
	case (uint32_t)KVM_SET_GUEST_DEBUG:
		call->copied = copy_from_program(call->debug, call->arg,
						 sizeof(call->debug));
		break;
	case KVM_CHECK_EXTENSION:
		if ((uintptr_t)call->arg == KVM_CAP_IMMEDIATE_EXIT)
			kick_note_capability();
		break;
	}
}

/* The kernel gives these answers only after it has read the argument. */
static bool kernel_read_arg(long ret)
{
	return !ret || ret == -ENOENT || ret == -EEXIST || ret == -ENOSPC;
}

/*
 * KVM_IOEVENTFD while a seccomp filter forbids the front.  The kernel has all
 * doorbells but those that it refused.  The front hears of a removal after the
 * kernel, and looks for a refused doorbell if the kernel has found none.
 */
static long pass_ioeventfd(struct object_vm *vm, struct call *call)
{
	const struct kvm_ioeventfd *arg = call->arg;
	long ret = call_kernel(call);

	if (!kernel_read_arg(ret))
		return ret;
	call->key = ioeventfd_key(arg);
	if (vm->front && call->key == STATS_DEASSIGN)
		ret = bf_front_note_removal(vm->front, arg, (int)ret);
	record_ioeventfd(vm->number, vm->front, arg, ret);
	return ret;
}

static bool front_answers(const struct object_vm *vm, const struct call *call)
{
	return vm->front && call->copied && process_is_owner();
}

static long answer_ioeventfd(struct object_vm *vm, struct call *call)
{
	long ret;

	if (thread_forbids(FORBIDDEN_FRONT))
		return pass_ioeventfd(vm, call);
	if (front_answers(vm, call)) {
		ret = bf_front_ioeventfd(vm->front, &call->ioeventfd);
		atomic_store_explicit(&vm->serves, true, memory_order_relaxed);
		shared_eventfd_registered();
	} else {
		ret = call_kernel(call);
	}
	if (call->copied)
		record_ioeventfd(vm->number, vm->front, &call->ioeventfd, ret);
	return ret;
}

static long answer_zone(struct object_vm *vm, struct call *call)
{
	if (thread_forbids(FORBIDDEN_FRONT) || !front_answers(vm, call))
		return call_kernel(call);
	atomic_store_explicit(&vm->serves, true, memory_order_relaxed);
	return bf_front_zone(vm->front, call->request, &call->zone);
}

/* The kernel does not return early from these calls for a signal. */
static long answer_held(struct object_vm *vm, struct call *call)
{
	struct signals_held held = signals_hold();
	long ret = call->request == KVM_IOEVENTFD ? answer_ioeventfd(vm, call) :
						    answer_zone(vm, call);

	signals_release(held);
	return ret;
}

/* Tells the front when the call may hold the kernel's locks for long. */
static long answer_other(struct object_vm *vm, struct call *call)
{
	long ret;

	if (!vm->front)
		return call_kernel(call);
	bf_front_call_begins(vm->front, call->request);
	call->told_front = true;
	ret = call_kernel(call);
	call->told_front = false;
	bf_front_call_ends(vm->front, call->request);
	return ret;
}

static long create_vcpu(struct object *vm, struct call *call)
{
	const uint32_t id = (uint32_t)(uintptr_t)call->arg;
	long fd = answer_other(&vm->vm, call);
	struct signals_held held;

	if (fd < 0)
		return fd;
	call->who.vcpu = id;
	if (!process_is_owner() || thread_forbids(FORBIDDEN_LEARN))
		return fd;
	held = signals_hold();
	vm_track_vcpu(vm, (int)fd, id);
	signals_release(held);
	return fd;
}

/* The kernel has written the device's fd to the argument. */
static void track_device(struct object *vm, const struct call *call)
{
	struct kvm_create_device device;
	struct signals_held held;

	if (!process_is_owner() || thread_forbids(FORBIDDEN_LEARN) ||
	    !copy_from_program(&device, call->arg, sizeof(device)))
		return;
	held = signals_hold();
	vm_track_device(vm, (int)device.fd);
	signals_release(held);
}

static long create_device(struct object *vm, struct call *call)
{
	long ret;

	if (!call->copied || call->device.flags & KVM_CREATE_DEVICE_TEST)
		return answer_other(&vm->vm, call);
	call->key = device_creation_key(&call->device);
	ret = answer_other(&vm->vm, call);
	if (!ret)
		track_device(vm, call);
	return ret;
}

static long answer_on_device(struct call *call)
{
	if (call->request == KVM_SET_DEVICE_ATTR && call->copied)
		call->key = device_attr_key(&call->attr);
	return call_kernel(call);
}

/* KVM reports no step over a doorbell that the front serves. */
static long set_guest_debug(struct object_vcpu *vcpu, struct call *call)
{
	const uint32_t step = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP;
	bool stepping = call->copied && (call->debug[0] & step) == step;
	struct signals_held held = signals_hold();
	long ret;

	if (stepping)
		bf_front_set_stepping(vcpu->front, true);
	ret = call_kernel(call);
	if (!ret && !stepping)
		bf_front_set_stepping(vcpu->front, false);
	signals_release(held);
	return ret;
}

static long answer_on_vcpu(struct object_vcpu *vcpu, struct call *call)
{
	long ret;

	if (call->request == (uint32_t)KVM_SET_GUEST_DEBUG && vcpu->front &&
	    !thread_forbids(FORBIDDEN_FRONT) && process_is_owner())
		return set_guest_debug(vcpu, call);
	ret = call_kernel(call);
	if (call->request == (uint32_t)KVM_SET_SIGNAL_MASK && !ret)
		kick_note_mask(vcpu, call->arg);
	return ret;
}

static long answer_on_vm(struct object *vm, struct call *call)
{
	switch (call->request) {
	case KVM_IOEVENTFD:
	case KVM_REGISTER_COALESCED_MMIO:
	case KVM_UNREGISTER_COALESCED_MMIO:
		return answer_held(&vm->vm, call);
	case KVM_CREATE_VCPU:
		return create_vcpu(vm, call);
	case (uint32_t)KVM_CREATE_DEVICE:
		return create_device(vm, call);
	default:
		return answer_other(&vm->vm, call);
	}
}

static long create_vm(struct call *call)
{
	long fd = call_kernel(call);
	struct signals_held held;

	if (fd < 0 || !process_is_owner())
		return fd;
	atomic_fetch_add_explicit(&config.stats->vms, 1, memory_order_relaxed);
	atomic_store_explicit(&config.stats->vm_pid, (uint64_t)process_pid,
			      memory_order_relaxed);
	held = signals_hold();
	call->who = vm_track(call->fd, (int)fd);
	signals_release(held);
	return fd;
}

static long answer_on_object(struct object *obj, struct call *call)
{
	switch (obj->kind) {
	case OBJECT_VCPU:
		return answer_on_vcpu(&obj->vcpu, call);
	case OBJECT_DEVICE:
		return answer_on_device(call);
	default:
		return answer_on_vm(obj, call);
	}
}

static long answer_call(struct call *call)
{
	if (call->request == KVM_CREATE_VM)
		return create_vm(call);
	read_arg(call);
	call->obj = fd_table_lookup(call->fd, OBJECT_VM);
	if (!call->obj)
		return call_kernel(call);
	call->who = object_who(call->obj);
	return answer_on_object(call->obj, call);
}

/*
 * ioctl() is no cancellation point, but the front waits for other threads in
 * functions that are.
 */
static void begin_call(struct call *call)
{
	call->forbidden_idx = forbidden_calls_begin();
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &call->cancel_state);
}

/* Also if a handler has left the call by a long jump: see run.c. */
static void end_call(void *arg)
{
	struct call *call = arg;

	if (unlikely(call->told_front))
		bf_front_call_ends(object_vm_of(call->obj)->front,
				   call->request);
	if (call->obj)
		object_put(call->obj);
	pthread_setcancelstate(call->cancel_state, NULL);
	forbidden_calls_end(call->forbidden_idx);
}

static long time_call(int fd, uint32_t request, void *arg)
{
	struct call call = {
		.fd = fd,
		.request = request,
		.arg = arg,
		.key = request,
		.who = record_nobody,
	};
	struct _pthread_cleanup_buffer cleanup;
	uint64_t start = bf_now_ns();
	long ret;

	begin_call(&call);
	_pthread_cleanup_push(&cleanup, end_call, &call);
	ret = answer_call(&call);
	record_call(call.who, call.key, start, ret);
	_pthread_cleanup_pop(&cleanup, true);
	return ret;
}

/* Out of line, so that KVM_RUN and other ioctls save no registers for it. */
static __attribute__((noinline)) int answer_timed(int fd, uint32_t request,
						  void *arg)
{
	int saved_errno = errno;
	long ret;

	process_check();
	ret = time_call(fd, request, arg);
	return next_return(ret, saved_errno);
}

/* A timed call learns an fd that is not in the table. */
static inline bool is_timed(int fd, uint32_t request)
{
	return config.times_all || !call_is_untimed(request) ||
	       !fd_table_contains(fd);
}

/*
 * The kernel reads 32 bits of the request.  A program that keeps it in an int
 * passes it sign-extended.
 */
int ioctl_of_program(int fd, unsigned long request, void *arg)
	INTERPOSE_AS("ioctl");

int ioctl_of_program(int fd, unsigned long request, void *arg)
{
	if ((uint32_t)request == KVM_RUN)
		return run_vcpu(fd, arg);
	if (_IOC_TYPE(request) == KVMIO && is_timed(fd, (uint32_t)request))
		return answer_timed(fd, (uint32_t)request, arg);
	return next()->ioctl(fd, request, arg);
}
