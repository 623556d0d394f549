/* SPDX-License-Identifier: MIT */
/*
 * The signals that the library holds back while it has a lock.
 *
 * A handler of the program may call close(), dup() or fork(), and these may
 * need a lock of the library.  If the handler had interrupted the holder of the
 * lock, it would wait for ever.  So no handler runs in a thread between
 * signals_hold() and signals_release().  A signal that comes meanwhile stays
 * pending, and its handler runs in signals_release().  Where a seccomp filter
 * answers rt_sigprocmask(2) by an errno, handlers do run, and put off what
 * needs a lock.
 */
#ifndef BF_PRELOAD_SIGNALS_H
#define BF_PRELOAD_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "preload/common/sys.h"

#define SIGNAL_BIT(sig) (UINT64_C(1) << ((sig)-1))

/* A thread sends the first six to itself.  The C library uses 32 and 33. */
#define SIGNALS_NEVER_HELD                                                \
	(SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |  \
	 SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGABRT) | \
	 SIGNAL_BIT(SIGSYS) | SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP) | \
	 SIGNAL_BIT(32) | SIGNAL_BIT(33))

/* The mask of the calling thread, without the C library. */
static inline void signals_set_mask(int how, const uint64_t *set, uint64_t *old)
{
	sys_call(SYS_rt_sigprocmask, how, (long)set, (long)old, sizeof(*set), 0,
		 0);
}

struct signals_held {
	uint64_t mask; /* of the program */
	bool held;     /* false: a seccomp filter forbids it */
};

/* Both keep errno.  The calls may be nested. */
struct signals_held signals_hold(void);
void signals_release(struct signals_held held);

struct signals_work {
	struct signals_work *next;
	void (*fn)(struct signals_work *work);
};

/*
 * True if the thread is between signals_hold() and signals_release() although
 * no signals are held back: the last signals_release() calls @work->fn.
 */
bool signals_put_off(struct signals_work *work);

/* In the child of a fork(): the parent does its work itself. */
void signals_forget(void);

#endif
