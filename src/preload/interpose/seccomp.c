/* SPDX-License-Identifier: MIT */
/*
 * prctl() and syscall().  Both can install a seccomp filter; libraries reach
 * seccomp(2) through syscall().  The front makes system calls in the program's
 * threads, and a filter that forbids one would kill the thread.  An ioctl made
 * through syscall() passes the VM through.
 */
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "io_bus/eventfd.h"
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/signals.h"
#include "preload/common/sys.h"
#include "preload/fds/fd_table.h"
#include "preload/fds/shared_eventfd.h"
#include "preload/fds/vm.h"
#include "preload/interpose/kick.h"
#include "preload/interpose/next.h"
#include "preload/seccomp/calls.h"
#include "preload/seccomp/filter.h"
#include "preload/seccomp/forbidden.h"

#define WAIT_NS (BF_NS_PER_S / 10)

static const char forbids_calls[] = "a seccomp filter forbids system calls that"
				    " belfry makes";
static const char forbids_guard[] = "a seccomp filter forbids to guard kicks,"
				    " and the program did not ask for"
				    " KVM_CAP_IMMEDIATE_EXIT";

/*
 * A filter is harmless if the thread does not do what the filter keeps it from
 * doing for belfry: only a vCPU's thread signals doorbells, and only a thread
 * that may call KVM_IOEVENTFD answers it.  A filter for all threads reaches the
 * helpers, too.  Under first-run a vCPU's thread installs.
 */
static bool filter_is_harmless(uint32_t forbidden, bool all_threads)
{
	if (all_threads || config.front.policy == BF_POLICY_FIRST_RUN)
		return !(forbidden & (FORBIDDEN_SERVE | FORBIDDEN_FRONT |
				      FORBIDDEN_HELPER));
	return (forbidden & FORBIDDEN_RUN || !(forbidden & FORBIDDEN_SERVE)) &&
	       (forbidden & FORBIDDEN_REGISTER ||
		!(forbidden & FORBIDDEN_FRONT));
}

/*
 * A thread with this filter may run a vCPU, but must not guard its kicks.  Each
 * exit that the library served would have to return EINTR.
 */
static bool filter_loses_kicks(uint32_t forbidden)
{
	return forbidden & FORBIDDEN_GUARD && !(forbidden & FORBIDDEN_RUN) &&
	       kick_needs_guard();
}

/* NULL: the front may go on. */
static const char *why_pass_through(uint32_t forbidden, bool all_threads)
{
	if (!filter_is_harmless(forbidden, all_threads))
		return forbids_calls;
	return filter_loses_kicks(forbidden) ? forbids_guard : NULL;
}

/* Makes the forbidden calls while the filter is not installed yet. */
static void prepare_for_filter(uint32_t forbidden, bool all_threads)
{
	const char *why = why_pass_through(forbidden, all_threads);

	if (why) {
		vm_pass_through_all(why);
		return;
	}
	if (forbidden & FORBIDDEN_COMPLETION)
		bf_eventfd_start_relay();
	if (forbidden & FORBIDDEN_COMPLETION && !(forbidden & FORBIDDEN_RUN))
		shared_eventfd_forbid_completion();
	if (forbidden & FORBIDDEN_HELPER)
		vm_start_helpers();
}

/* A filter that the kernel has not seen yet. */
struct new_filter {
	uint32_t forbids;
	bool all_threads;
};

/*
 * A thread that has not seen yet what the filter forbids may be about to make
 * such a call.  A handler may install the filter that interrupted such a thread
 * itself, and a signal may be held up: not for ever.
 */
static void wait_for_calls(void)
{
	const uint64_t until_ns = bf_now_ns() + WAIT_NS;

	vm_wait_for_signals(until_ns);
	forbidden_wait_for_calls(until_ns);
}

static void announce(uint32_t forbids)
{
	const bool may_wait = !thread_forbids(FORBIDDEN_SERVE);
	struct signals_held held = signals_hold();

	forbidden_add(forbids, true);
	if (may_wait)
		wait_for_calls();
	signals_release(held);
}

/*
 * Does what the filter will forbid, and asks what it will forbid to ask.  The
 * kernel may still refuse the filter, so it counts only afterwards; but for all
 * threads at once, because each of them may get it before this one returns.  A
 * child that shares its parent's memory installs a filter for itself only.
 */
static void before_install(struct new_filter *new)
{
	if (!new->forbids)
		return;
	if (!process_is_owner()) {
		new->forbids = 0;
		return;
	}
	if (!config.plain)
		prepare_for_filter(new->forbids, new->all_threads);
	if (new->all_threads)
		announce(new->forbids);
}

/* Makes no system call: the filter is there. */
static void after_install(const struct new_filter *new)
{
	if (new->forbids && !new->all_threads)
		forbidden_add(new->forbids, false);
}

/* Without a filter the call only asks whether the kernel has seccomp. */
static struct new_filter read_filter(long addr, bool all_threads)
{
	struct new_filter new = {.all_threads = all_threads};
	struct sock_fprog filter;

	if (addr && filter_read((const void *)addr, &filter))
		new.forbids = filter_forbids(&filter);
	return new;
}

static const struct new_filter strict = {.forbids = ~0u};

static struct new_filter filter_of_prctl(long option, long mode, long filter)
{
	if (option != PR_SET_SECCOMP)
		return (struct new_filter){0};
	return mode == SECCOMP_MODE_FILTER ? read_filter(filter, false) :
					     strict;
}

/*
 * The kernel accepts strict mode only without flags and argument.  With them
 * the call only asks whether the kernel has seccomp(2).
 */
static struct new_filter filter_of_seccomp(long operation, long flags, long arg)
{
	if (operation == SECCOMP_SET_MODE_FILTER)
		return read_filter(arg, flags & SECCOMP_FILTER_FLAG_TSYNC);
	if (operation == SECCOMP_SET_MODE_STRICT && !flags && !arg)
		return strict;
	return (struct new_filter){0};
}

static void before_ioctl(int fd, unsigned long request)
{
	if (_IOC_TYPE(request) == KVMIO)
		fd_table_pass_through(fd, "the program calls it past ioctl()");
}

/* Another process may get or give an eventfd by the call: see send.c, fork.c. */
static bool call_shares(long nr, long flags)
{
	switch (nr) {
	case SYS_clone:
		return !(flags & CLONE_VM);
	case SYS_clone3:
	case CALL_FORK:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_pidfd_getfd:
		return true;
	default:
		return false;
	}
}

long syscall_of_program(long nr, long a, long b, long c, long d, long e, long f)
	INTERPOSE_AS("syscall");
int prctl_of_program(int option, long a, long b, long c, long d)
	INTERPOSE_AS("prctl");

static void before_syscall(long nr, long a, long b)
{
	if (nr == SYS_ioctl)
		before_ioctl((int)a, (unsigned long)b);
	else if (call_shares(nr, a))
		shared_eventfd_share();
}

long syscall_of_program(long nr, long a, long b, long c, long d, long e, long f)
{
	struct new_filter new = {0};
	long ret;

	if (nr == SYS_seccomp)
		new = filter_of_seccomp(a, b, c);
	else if (nr == SYS_prctl)
		new = filter_of_prctl(a, b, c);
	before_install(&new);
	before_syscall(nr, a, b);
	ret = next()->syscall(nr, a, b, c, d, e, f);
	if (ret >= 0)
		after_install(&new);
	return ret;
}

int prctl_of_program(int option, long a, long b, long c, long d)
{
	struct new_filter new = filter_of_prctl(option, a, b);
	int ret;

	before_install(&new);
	ret = next()->prctl(option, a, b, c, d);
	if (ret >= 0)
		after_install(&new);
	return ret;
}
