/* SPDX-License-Identifier: MIT */
/*
 * Asks a filter about each system call that the library makes in the program's
 * threads, and in its own, which inherit or get the filter.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/kcmp.h>
#include <linux/kvm.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io_bus/eventfd.h"
#include "preload/common/memory.h"
#include "preload/seccomp/bpf.h"
#include "preload/seccomp/calls.h"
#include "preload/seccomp/filter.h"
#include "preload/seccomp/forbidden.h"
#include "base/util.h"

/* The flags of a new thread in libc.  A filter may allow only these. */
#define THREAD                                                               \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | \
	 CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID |                 \
	 CLONE_CHILD_CLEARTID)

#define MEMORY	 (FORBIDDEN_FRONT | FORBIDDEN_HELPER | FORBIDDEN_LEARN)
#define LOCK	 (FORBIDDEN_SERVE | FORBIDDEN_FRONT | FORBIDDEN_HELPER)
#define PRIVATE	 (MAP_PRIVATE | MAP_ANONYMOUS)
#define WRITABLE (PROT_READ | PROT_WRITE)

/* The calls of the program itself. */
#define OWN (FORBIDDEN_RUN | FORBIDDEN_REGISTER)

/* The arguments that the library knows beforehand. */
#define ARG(n) (1u << (n))

#define MUST(number, activities, known_args, ...)                      \
	{                                                              \
		{number, known_args, {__VA_ARGS__}}, activities, false \
	}
#define MAY(number, activities, known_args, ...)                      \
	{                                                             \
		{number, known_args, {__VA_ARGS__}}, activities, true \
	}

/*
 * The system calls, and the activities that need each.  A call by MAY()
 * may fail, but no call may kill.  The calls that libc makes for a new thread
 * are here too.  The library does not know the number of an fd, nor addresses.
 */
static const struct call {
	struct bpf_call call;
	uint32_t needed_for;
	bool may_fail;
} calls[] = {
	MUST(SYS_write, FORBIDDEN_SERVE, ARG(2), 0, 0, 8),
	MUST(SYS_write, FORBIDDEN_WRITE, ARG(0), STDERR_FILENO),
	MUST(SYS_futex, LOCK, ARG(1), 0, FUTEX_WAIT_PRIVATE),
	MUST(SYS_futex, LOCK, ARG(1), 0, FUTEX_WAKE_PRIVATE),
	MUST(SYS_futex, FORBIDDEN_FRONT | FORBIDDEN_HELPER, ARG(1), 0,
	     FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME),
	/* The helper's wait with a limit, on CLOCK_MONOTONIC. */
	MUST(SYS_futex, FORBIDDEN_HELPER, ARG(1), 0, FUTEX_WAIT_BITSET_PRIVATE),
	MUST(CALL_POLL, FORBIDDEN_POLL, CALL_POLL_KNOWN, 0, 1, 0, 0),
	MUST(SYS_ioctl, FORBIDDEN_RUN, ARG(1), 0, KVM_RUN),
	MUST(SYS_ioctl, FORBIDDEN_REGISTER | FORBIDDEN_FRONT | FORBIDDEN_HELPER,
	     ARG(1), 0, KVM_IOEVENTFD),
	MUST(SYS_ioctl, FORBIDDEN_FRONT | FORBIDDEN_HELPER, ARG(1), 0,
	     KVM_REGISTER_COALESCED_MMIO),
	MUST(SYS_getpid, FORBIDDEN_PID, 0, 0),
	MUST(SYS_get_robust_list, FORBIDDEN_PID, ARG(0), 0),
	MUST(SYS_close, FORBIDDEN_FRONT, 0, 0),
	MAY(SYS_close_range, FORBIDDEN_FRONT, ARG(2), 0),
	MUST(SYS_fcntl, FORBIDDEN_FRONT, ARG(1), 0, F_GETFL),
	MAY(SYS_fcntl, FORBIDDEN_FRONT, ARG(1), 0, F_GETFD),
	MUST(SYS_fcntl, FORBIDDEN_FRONT, ARG(1), 0, F_DUPFD_CLOEXEC),
	MAY(SYS_fcntl, FORBIDDEN_FRONT | FORBIDDEN_LEARN, ARG(1), 0,
	    BF_F_DUPFD_QUERY),
	MAY(SYS_kcmp, FORBIDDEN_FRONT | FORBIDDEN_LEARN, ARG(2), 0, 0,
	    KCMP_FILE),
	MAY(SYS_openat, FORBIDDEN_FRONT, 0, 0),
	/* fopen() and opendir(): the first up to glibc 2.38, then the second. */
	MAY(SYS_newfstatat, FORBIDDEN_FRONT, 0, 0),
	MAY(SYS_fstat, FORBIDDEN_FRONT, 0, 0),
	MAY(CALL_READLINK, FORBIDDEN_FRONT, 0, 0),
	MAY(SYS_read, FORBIDDEN_FRONT, 0, 0),
	MAY(SYS_prctl, FORBIDDEN_FRONT, ARG(0), PR_GET_SECCOMP),
	MUST(SYS_rt_sigprocmask, FORBIDDEN_FRONT, ARG(0) | ARG(3), ~UINT64_C(0),
	     0, 0, 8),
	MUST(SYS_rt_sigprocmask,
	     FORBIDDEN_FRONT | FORBIDDEN_HELPER | FORBIDDEN_GUARD,
	     ARG(0) | ARG(3), SIG_BLOCK, 0, 0, 8),
	MUST(SYS_rt_sigprocmask,
	     FORBIDDEN_FRONT | FORBIDDEN_HELPER | FORBIDDEN_GUARD,
	     ARG(0) | ARG(3), SIG_SETMASK, 0, 0, 8),
	MAY(SYS_rt_sigaction, FORBIDDEN_HELPER | FORBIDDEN_GUARD, ARG(3), 0, 0,
	    0, 8),
	MAY(SYS_ioctl, FORBIDDEN_GUARD, ARG(1), 0, KVM_SET_SIGNAL_MASK),
	MAY(SYS_brk, FORBIDDEN_FRONT | FORBIDDEN_LEARN, 0, 0),
	MAY(SYS_mmap, MEMORY, ARG(2) | ARG(3), 0, 0, WRITABLE, PRIVATE),
	MAY(SYS_mmap, MEMORY, ARG(2) | ARG(3), 0, 0, PROT_NONE,
	    PRIVATE | MAP_NORESERVE),
	MAY(SYS_mmap, FORBIDDEN_HELPER, ARG(2) | ARG(3), 0, 0, PROT_NONE,
	    PRIVATE | MAP_STACK),
	MAY(SYS_mprotect, MEMORY, ARG(2), 0, 0, WRITABLE),
	MAY(SYS_munmap, MEMORY, 0, 0),
	MAY(SYS_madvise, MEMORY, ARG(2), 0, 0, MADV_DONTNEED),
	MAY(SYS_madvise, FORBIDDEN_LEARN, ARG(2), 0, 0, MADV_DONTFORK),
	MUST(SYS_rseq, FORBIDDEN_HELPER, 0, 0),
	MUST(SYS_exit, FORBIDDEN_HELPER, 0, 0),
	MAY(SYS_clone3, FORBIDDEN_HELPER, 0, 0),
	MAY(SYS_clone, FORBIDDEN_HELPER, ARG(0), THREAD),
	MAY(SYS_set_robust_list, FORBIDDEN_HELPER, 0, 0),
	MAY(SYS_prctl, FORBIDDEN_HELPER, ARG(0), PR_SET_NAME),
	MAY(SYS_prctl, FORBIDDEN_HELPER, ARG(0), PR_SET_TIMERSLACK),
	MAY(SYS_prctl, FORBIDDEN_THREAD, ARG(0), PR_GET_NAME),
	MUST(SYS_prlimit64, FORBIDDEN_LIMIT, ARG(0) | ARG(1), 0, RLIMIT_NOFILE),
	MUST(SYS_gettid, FORBIDDEN_THREAD, 0, 0),
	MAY(SYS_rt_sigpending, FORBIDDEN_DISCARD, ARG(1), 0, 8),
	MAY(SYS_rt_sigtimedwait, FORBIDDEN_DISCARD, ARG(3), 0, 0, 0, 8),
	MUST(SYS_io_setup, FORBIDDEN_SATURATE, 0, 0),
	MUST(SYS_io_submit, FORBIDDEN_SATURATE, ARG(1), 0, 1),
	MUST(SYS_madvise, FORBIDDEN_SATURATE, ARG(2), 0, 0, MADV_DONTFORK),
	MUST(SYS_io_destroy, FORBIDDEN_SATURATE, 0, 0),
};

static bool action_is_allowed(uint32_t action, const void *opaque)
{
	const struct call *call = opaque;

	action &= SECCOMP_RET_ACTION_FULL;
	return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG ||
	       (action == SECCOMP_RET_ERRNO && call->may_fail);
}

/*
 * A filter that looks at an fd or an address may refuse the library's and allow
 * the program's.
 */
static uint32_t call_forbids(const struct sock_fprog *filter,
			     const struct call *call)
{
	switch (bpf_ask(filter, &call->call, action_is_allowed, call)) {
	case BPF_ACCEPTED:
		return 0;
	case BPF_DEPENDS:
		return call->needed_for & ~OWN;
	default:
		return call->needed_for;
	}
}

uint32_t filter_forbids(const struct sock_fprog *filter)
{
	uint32_t forbidden = 0;

	for (size_t n = 0; n < ARRAY_SIZE(calls); n++)
		forbidden |= call_forbids(filter, &calls[n]);
	/* kcmp(2), for kernels without the query, needs the pid. */
	if (forbidden & FORBIDDEN_PID && bf_same_file(0, 0) != 1)
		forbidden |= FORBIDDEN_FRONT | FORBIDDEN_LEARN;
	return forbidden;
}

/* Without the question the memory is read as the program wrote it. */
static bool is_readable(const void *addr, size_t size)
{
	return !memory_may_be_asked() || memory_is_readable(addr, size);
}

bool filter_read(const void *addr, struct sock_fprog *filter)
{
	if (!is_readable(addr, sizeof(*filter)))
		return false;
	memcpy(filter, addr, sizeof(*filter));
	return filter->filter &&
	       is_readable(filter->filter,
			   filter->len * sizeof(*filter->filter)) &&
	       bpf_is_sane(filter);
}
