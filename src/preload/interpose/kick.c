/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdatomic.h>

#include "preload/common/sys.h"
#include "preload/interpose/kick.h"

#define relaxed memory_order_relaxed

/* Set once and never cleared.  They order no other memory. */
static _Atomic bool handles_signals;
static _Atomic bool has_pending_kicks;

void kick_note_call(uint32_t request, unsigned long arg)
{
	if (request == (uint32_t)KVM_SET_SIGNAL_MASK ||
	    (request == (uint32_t)KVM_CHECK_EXTENSION &&
	     arg == KVM_CAP_IMMEDIATE_EXIT))
		atomic_store_explicit(&has_pending_kicks, true, relaxed);
}

bool kick_needs_return(void)
{
	return atomic_load_explicit(&handles_signals, relaxed) &&
	       !atomic_load_explicit(&has_pending_kicks, relaxed);
}

/* A thread sends these to itself, so they kick no vCPU. */
static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGILL ||
	       sig == SIGFPE || sig == SIGTRAP || sig == SIGABRT;
}

static void note_handler(int sig, sighandler_t handler)
{
	if (handler != SIG_DFL && handler != SIG_IGN && !is_fault(sig))
		atomic_store_explicit(&handles_signals, true, relaxed);
}

typedef int (*sigaction_fn)(int, const struct sigaction *, struct sigaction *);
typedef sighandler_t (*signal_fn)(int, sighandler_t);

INTERPOSE int sigaction(int sig, const struct sigaction *action,
			struct sigaction *old)
{
	static _Atomic(sigaction_fn) next;

	if (action)
		note_handler(sig, action->sa_handler);
	if (!atomic_load_explicit(&next, relaxed))
		atomic_store_explicit(
			&next, (sigaction_fn)dlsym(RTLD_NEXT, "sigaction"),
			relaxed);
	return atomic_load_explicit(&next, relaxed)(sig, action, old);
}

INTERPOSE sighandler_t signal(int sig, sighandler_t handler)
{
	static _Atomic(signal_fn) next;

	note_handler(sig, handler);
	if (!atomic_load_explicit(&next, relaxed))
		atomic_store_explicit(
			&next, (signal_fn)dlsym(RTLD_NEXT, "signal"), relaxed);
	return atomic_load_explicit(&next, relaxed)(sig, handler);
}
