/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN.  After an exit that the front served, the vCPU enters the guest
 * again, and the kernel completes the exit first.  So whenever KVM_RUN returns
 * to the program, the served exits are complete.
 */
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/signals.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/vm.h"
#include "preload/interpose/cleanup.h"
#include "preload/interpose/kick.h"
#include "preload/interpose/next.h"
#include "preload/interpose/run.h"

/* Without a doorbell the front has nothing to keep from a part of a store. */
static void prepare_run(const struct object *obj)
{
	struct bf_front_vcpu *vcpu = obj->vcpu.front;
	const struct record_who who = {obj->vcpu.vm->vm.number,
				       RECORDED_NO_VCPU};
	struct signals_held held;
	uint64_t start;

	if (object_serves(obj))
		bf_front_complete_store(vcpu);
	if (likely(!bf_front_install_is_due(vcpu)))
		return;
	start = bf_now_ns();
	held = signals_hold();
	bf_front_before_run(vcpu);
	signals_release(held);
	record_call(who, STATS_INSTALL, start, 0);
}

/* A jump out of a section of the bus is mended later, one with a lock is not. */
static bool offer_exit(struct bf_front_vcpu *vcpu, long ret)
{
	struct signals_held held;
	bool served;

	if (likely(!bf_front_check_is_due(vcpu)))
		return bf_front_after_run(vcpu, (int)ret);
	held = signals_hold();
	served = bf_front_after_run(vcpu, (int)ret);
	signals_release(held);
	return served;
}

/*
 * False: the exit is the program's to handle, or KVM_RUN failed.  True without
 * an exit: KVM_RUN has completed the program's store.
 */
static bool serve_exit(struct object *obj, long ret)
{
	if (!offer_exit(obj->vcpu.front, ret))
		return false;
	if (!bf_front_has_served(obj->vcpu.front))
		return true;
	stats_increment(&obj->vcpu.stats->signals);
	record_exit(object_who(obj), obj->vcpu.run);
	return true;
}

/*
 * Completes a served exit without entering the guest, so that KVM_RUN can
 * return to a program whose kick may be lost (kick.h).  If the completion
 * causes an exit, the next part of a long write, the front serves that too, or
 * the program handles it.
 */
static long complete_exit(struct object *obj, int fd)
{
	long ret;

	do {
		ret = bf_front_complete_once(obj->vcpu.front, fd);
	} while (serve_exit(obj, ret));
	return ret;
}

/*
 * The kernel empties the processor's stack of return addresses, so each return
 * after it costs 5 ns, also that from the C library's ioctl().
 */
static inline long enter(int fd, void *arg)
{
	if (likely(next_ioctl_is_libc))
		return sys_ioctl(fd, KVM_RUN, arg);
	return next_result(next()->ioctl(fd, KVM_RUN, arg));
}

static long serve_exits(struct object *obj, int fd, void *arg, bool guarded)
{
	long ret;

	do {
		prepare_run(obj);
		ret = enter(fd, arg);
		if (!serve_exit(obj, ret))
			return ret;
	} while (guarded || !kick_may_be_lost());
	return complete_exit(obj, fd);
}

static long run_with_front(struct object *obj, int fd, void *arg)
{
	uint64_t mask;
	bool guarded = object_serves(obj) && kick_guard_begin(obj, fd, &mask);
	long ret = serve_exits(obj, fd, arg, guarded);

	if (guarded)
		kick_guard_end(obj, mask);
	return ret;
}

static void count_run(struct stats_vcpu *vcpu)
{
	if (unlikely(!stats_run(config.stats, vcpu)))
		stats_first_run(config.stats, config.loaded_ns, process_pid);
}

static long run_object(struct object *obj, int fd, void *arg)
{
	long ret;

	record_run_begins(object_who(obj));
	count_run(obj->vcpu.stats);
	ret = obj->vcpu.front ? run_with_front(obj, fd, arg) : enter(fd, arg);
	record_run_ends();
	return ret;
}

static long run_unknown(int fd, void *arg)
{
	count_run(&config.stats->vcpu[0]);
	return enter(fd, arg);
}

/*
 * A handler leaves KVM_RUN by a long jump.  The reference must not stay behind,
 * or the VM would never end.
 */
static void leave_run(void *arg)
{
	struct object *obj = arg;

	kick_note_jump();
	if (obj->kind == OBJECT_VCPU && obj->vcpu.front)
		bf_front_leave_run(obj->vcpu.front);
	object_put(obj);
}

int run_vcpu(int fd, void *arg)
{
	struct _pthread_cleanup_buffer cleanup;
	int saved_errno = errno;
	struct object *obj;
	long ret;

	process_check();
	obj = fd_table_lookup(fd, OBJECT_VCPU);
	if (!obj)
		return next_return(run_unknown(fd, arg), saved_errno);
	_pthread_cleanup_push(&cleanup, leave_run, obj);
	ret = obj->kind == OBJECT_VCPU ? run_object(obj, fd, arg) :
					 run_unknown(fd, arg);
	_pthread_cleanup_pop(&cleanup, false);
	object_put(obj);
	return next_return(ret, saved_errno);
}
