/* SPDX-License-Identifier: MIT */
/*
 * All accesses are relaxed.  forbidden_wait_for_calls() orders a filter for all
 * threads: a section that it does not wait for sees for_all.  pthread_create()
 * orders an inherited one.
 */
#include <stdatomic.h>

#include "base/util.h"
#include "io_bus/eventfd.h"
#include "preload/seccomp/forbidden.h"
#include "srcu/wait.h"

#define relaxed memory_order_relaxed

static _Atomic uint32_t for_all;
static _Atomic uint32_t for_new_threads;

static __thread bool known;
static __thread uint32_t own;
static __thread uint32_t inherited; /* perhaps */

static void note(uint32_t activities)
{
	known = true;
	own |= activities;
	bf_eventfd_no_poll = (own | inherited) & FORBIDDEN_POLL;
	bf_eventfd_no_saturate = (own | inherited) & FORBIDDEN_COMPLETION;
}

bool thread_forbids(uint32_t activities)
{
	if (unlikely(!known)) {
		inherited = atomic_load_explicit(&for_new_threads, relaxed);
		note(0);
	}
	return (own | inherited | atomic_load_explicit(&for_all, relaxed)) &
	       activities;
}

DEFINE_STATIC_SRCU(calls);

int forbidden_calls_begin(void)
{
	return srcu_read_lock(&calls);
}

void forbidden_calls_end(int idx)
{
	srcu_read_unlock(&calls, idx);
}

void forbidden_wait_for_calls(uint64_t until_ns)
{
	bf_srcu_synchronize_until(&calls, until_ns);
}

void forbidden_disprove(void)
{
	if (!thread_forbids(FORBIDDEN_REGISTER))
		return;
	inherited = 0;
	note(0);
}

void forbidden_add(uint32_t activities, bool all_threads)
{
	thread_forbids(0);
	note(activities);
	atomic_fetch_or_explicit(&for_new_threads, activities, relaxed);
	if (!all_threads)
		return;
	atomic_fetch_or_explicit(&for_all, activities, relaxed);
	bf_eventfd_forbid_all(activities & FORBIDDEN_POLL,
			      activities & FORBIDDEN_COMPLETION,
			      activities & FORBIDDEN_HELPER);
}
