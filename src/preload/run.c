/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN.  A program that is right without belfry, which is to say that it
 * stops a vCPU with immediate_exit or with a signal that only KVM_RUN lets
 * through, is so with it: both are still there when the vCPU is entered again
 * after an exit that was ours, and the kernel completes that exit first.
 */
#include "preload/config.h"
#include "preload/numbers.h"
#include "preload/run.h"
#include "preload/sys.h"
#include "preload/vm.h"

/* Timed only when there may be something to install. */
static void before_run(struct object_vm *vm)
{
	uint64_t start;

	if (!atomic_load_explicit(&vm->changed, memory_order_relaxed)) {
		bf_front_before_run(vm->front);
		return;
	}
	start = stats_now();
	atomic_store_explicit(&vm->changed, false, memory_order_relaxed);
	bf_front_before_run(vm->front);
	stats_record(config.stats, STATS_INSTALL, start, false);
	vm_tell(vm);
}

static bool was_ours(struct object_vm *vm, struct object_vcpu *vcpu)
{
	if (!vcpu->page || !bf_front_exit(vm->front, vcpu->page))
		return false;
	atomic_fetch_add_explicit(&vcpu->stats->rings, 1, memory_order_relaxed);
	return true;
}

static long run_known(struct object_vcpu *vcpu, int fd, void *arg)
{
	struct object_vm *vm = &vcpu->vm->vm;
	long ret;

	stats_run(config.stats, vcpu->stats);
	if (!vm->front)
		return sys_ioctl(fd, KVM_RUN, arg);
	do {
		before_run(vm);
		ret = sys_ioctl(fd, KVM_RUN, arg);
	} while (!ret && was_ours(vm, vcpu));
	return ret;
}

long run_vcpu(int fd, void *arg)
{
	struct object *vcpu = number_learn(fd, OBJECT_VCPU);
	long ret;

	if (!vcpu) {
		stats_run(config.stats, &config.stats->vcpu[0]);
		return sys_ioctl(fd, KVM_RUN, arg);
	}
	ret = run_known(&vcpu->vcpu, fd, arg);
	object_put(vcpu);
	return ret;
}
