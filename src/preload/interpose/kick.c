/* SPDX-License-Identifier: MIT */
#include <linux/kvm.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "preload/common/config.h"
#include "preload/common/signals.h"
#include "preload/common/sys.h"
#include "preload/interpose/kick.h"
#include "preload/seccomp/forbidden.h"

#define relaxed memory_order_relaxed

#define SIGNALS 64

/* Set once and never cleared.  They order no other memory. */
static _Atomic bool has_handlers;
static _Atomic bool has_pending_kicks;
static _Atomic bool has_jumps;
static _Atomic bool knows_immediate_exit;
static _Atomic uint64_t asked_ns; /* for handlers, by the coarse clock */

static bool kicks_stay_pending(void)
{
	return atomic_load_explicit(&has_pending_kicks, relaxed);
}

static bool immediate_exit_is_set(const struct object *obj)
{
	return __atomic_load_n(&obj->vcpu.run->immediate_exit,
			       __ATOMIC_RELAXED);
}

/* The program's own mask takes the place of the guard's. */
void kick_note_mask(struct object_vcpu *vcpu, bool has_mask)
{
	if (has_mask)
		atomic_store_explicit(&has_pending_kicks, true, relaxed);
	vcpu->kick_mask_set = false;
	vcpu->has_own_mask = has_mask;
}

void kick_note_capability(void)
{
	atomic_store_explicit(&knows_immediate_exit, true, relaxed);
}

void kick_note_jump(void)
{
	atomic_store_explicit(&has_jumps, true, relaxed);
}

/* A guard keeps handlers, and their jumps, out of the library. */
static bool needs_guard(const struct object *obj)
{
	return atomic_load_explicit(&has_jumps, relaxed) ||
	       (!kicks_stay_pending() && !immediate_exit_is_set(obj));
}

static bool handles(int sig)
{
	struct {
		uintptr_t handler;
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} action = {0};

	if (sys_call(SYS_rt_sigaction, sig, 0, (long)&action,
		     sizeof(action.mask), 0, 0))
		return true; /* unknown */
	return action.handler != (uintptr_t)SIG_DFL &&
	       action.handler != (uintptr_t)SIG_IGN;
}

/* The kernel knows each handler, however the program has installed it. */
static bool ask_for_handlers(void)
{
	for (int sig = 1; sig <= SIGNALS; sig++) {
		if (!(SIGNAL_BIT(sig) & SIGNALS_NEVER_HELD) && handles(sig))
			return true;
	}
	return false;
}

static bool find_handlers(void)
{
	if (!ask_for_handlers())
		return false;
	atomic_store_explicit(&has_handlers, true, relaxed);
	return true;
}

/*
 * True: the program has a handler for a signal that may be a kick.  The
 * kernel's answer, at most a tick old: 60 system calls take 5 to 10 us.  Where
 * a seccomp filter forbids to ask, the last answer counts.
 */
static bool handlers_exist(void)
{
	struct timespec tick;
	uint64_t now;

	if (atomic_load_explicit(&has_handlers, relaxed))
		return true;
	if (thread_forbids(FORBIDDEN_GUARD))
		return false;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &tick);
	now = bf_timespec_ns(&tick);
	return atomic_exchange_explicit(&asked_ns, now, relaxed) != now &&
	       find_handlers();
}

/* NULL: KVM_RUN leaves the thread's mask alone. */
static bool set_mask_in_kvm(int fd, const uint64_t *mask)
{
	struct { /* struct kvm_signal_mask */
		uint32_t len;
		uint8_t set[sizeof(*mask)];
	} arg = {.len = sizeof(*mask)};

	if (mask)
		memcpy(arg.set, mask, sizeof(*mask));
	return !sys_ioctl(fd, KVM_SET_SIGNAL_MASK, mask ? &arg : NULL);
}

static void drop_mask(struct object_vcpu *vcpu, int fd)
{
	if (vcpu->kick_mask_set && set_mask_in_kvm(fd, NULL))
		vcpu->kick_mask_set = false;
}

static bool give_mask(struct object_vcpu *vcpu, int fd, uint64_t mask)
{
	if (vcpu->has_own_mask)
		return true;
	if (vcpu->kick_mask_set && vcpu->kick_mask == mask)
		return true;
	vcpu->kick_mask_set = set_mask_in_kvm(fd, &mask);
	vcpu->kick_mask = mask;
	return vcpu->kick_mask_set;
}

bool kick_guard_begin(struct object *obj, int fd, uint64_t *mask)
{
	static const uint64_t kicks = ~SIGNALS_NEVER_HELD;

	if (!needs_guard(obj)) {
		drop_mask(&obj->vcpu, fd);
		return false;
	}
	if (thread_forbids(FORBIDDEN_GUARD) || !handlers_exist())
		return false;
	signals_set_mask(SIG_BLOCK, &kicks, mask);
	if (give_mask(&obj->vcpu, fd, *mask))
		return true;
	signals_set_mask(SIG_SETMASK, mask, NULL);
	return false;
}

/* A handler that sets immediate_exit needs no guard. */
void kick_guard_end(struct object *obj, uint64_t mask)
{
	signals_set_mask(SIG_SETMASK, &mask, NULL);
	if (immediate_exit_is_set(obj))
		atomic_store_explicit(&has_pending_kicks, true, relaxed);
}

/*
 * A program that has asked for immediate_exit knows that a kick by a flag alone
 * is lost between its check of the flag and KVM_RUN.
 */
static bool kicks_are_safe_unguarded(void)
{
	return kicks_stay_pending() ||
	       atomic_load_explicit(&knows_immediate_exit, relaxed);
}

bool kick_needs_guard(void)
{
	return !kicks_are_safe_unguarded() &&
	       (atomic_load_explicit(&has_handlers, relaxed) ||
		find_handlers());
}

/* A thread without the guard's calls cannot find out whether a handler ran. */
static bool kicks_are_safe(void)
{
	return kicks_stay_pending() ||
	       (thread_forbids(FORBIDDEN_GUARD) && kicks_are_safe_unguarded());
}

bool kick_may_be_lost(void)
{
	return !kicks_are_safe() && handlers_exist();
}
