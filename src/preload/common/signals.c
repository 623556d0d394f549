/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>

#include "preload/common/signals.h"
#include "preload/seccomp/forbidden.h"

/* The fences order the thread for its own handlers alone. */
static __thread volatile unsigned int unheld; /* regions with a lock */
static __thread struct signals_work *_Atomic put_off;

static void enter_unheld(void)
{
	unheld++;
	atomic_signal_fence(memory_order_seq_cst);
}

static void do_work(void)
{
	struct signals_work *next, *work = atomic_exchange(&put_off, NULL);

	for (; work; work = next) {
		next = work->next;
		work->fn(work);
	}
}

static void leave_unheld(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	if (!--unheld)
		do_work();
}

bool signals_put_off(struct signals_work *work)
{
	if (!unheld)
		return false;
	work->next = atomic_load(&put_off);
	while (!atomic_compare_exchange_weak(&put_off, &work->next, work))
		;
	return true;
}

void signals_forget(void)
{
	atomic_store(&put_off, NULL);
}

struct signals_held signals_hold(void)
{
	static const uint64_t set = ~SIGNALS_NEVER_HELD;
	struct signals_held held = {.held = !thread_forbids(FORBIDDEN_GUARD)};

	if (held.held)
		signals_set_mask(SIG_BLOCK, &set, &held.mask);
	else
		enter_unheld();
	return held;
}

void signals_release(struct signals_held held)
{
	if (held.held)
		signals_set_mask(SIG_SETMASK, &held.mask, NULL);
	else
		leave_unheld();
}
