/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN.  After an exit that was served here the vCPU is entered again, and
 * the kernel completes the exit first; whatever lets KVM_RUN return finds it
 * complete.
 */
#include "preload/interpose/config.h"
#include "preload/interpose/kick.h"
#include "preload/fds/numbers.h"
#include "preload/record/record.h"
#include "preload/interpose/run.h"
#include "preload/common/sys.h"
#include "preload/interpose/vm.h"

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
	record_install_time(vm, start);
	vm_tell(vm);
}

static bool was_ours(struct object_vm *vm, struct object_vcpu *vcpu)
{
	if (!vcpu->page || !bf_front_exit(vm->front, vcpu->page))
		return false;
	atomic_fetch_add_explicit(&vcpu->stats->rings, 1, memory_order_relaxed);
	record_exit(vcpu);
	return true;
}

/*
 * Completes what was served and does not enter the guest, for a program that
 * wants to look after itself; see kick.h.  An exit that comes of that, the next
 * part of a long write, is served too, or is the program's.
 */
static long come_back(struct object_vcpu *vcpu, int fd, void *arg)
{
	struct kvm_run *page = vcpu->page;
	uint8_t before;
	long ret;

	do {
		before = __atomic_exchange_n(&page->immediate_exit, 1,
					     __ATOMIC_RELAXED);
		ret = sys_ioctl(fd, KVM_RUN, arg);
		__atomic_store_n(&page->immediate_exit, before,
				 __ATOMIC_RELAXED);
	} while (!ret && was_ours(&vcpu->vm->vm, vcpu));
	if (ret == -EINTR)
		page->exit_reason = KVM_EXIT_INTR;
	return ret;
}

static long run_known(struct object_vcpu *vcpu, int fd, void *arg)
{
	struct object_vm *vm = &vcpu->vm->vm;
	long ret;

	stats_run(config.stats, vcpu->stats, config.loaded_ns, config.pid);
	if (!vm->front)
		return sys_ioctl(fd, KVM_RUN, arg);
	do {
		before_run(vm);
		ret = sys_ioctl(fd, KVM_RUN, arg);
		if (ret || !was_ours(vm, vcpu))
			return ret;
	} while (!kick_wants_back());
	return come_back(vcpu, fd, arg);
}

long run_vcpu(int fd, void *arg)
{
	struct object *vcpu = number_learn(fd, OBJECT_VCPU);
	long ret;

	if (!vcpu) {
		stats_run(config.stats, &config.stats->vcpu[0],
			  config.loaded_ns, config.pid);
		return sys_ioctl(fd, KVM_RUN, arg);
	}
	record_run_begins(&vcpu->vcpu);
	ret = run_known(&vcpu->vcpu, fd, arg);
	record_run_ends();
	object_put(vcpu);
	return ret;
}
