// SPDX-License-Identifier: MIT
#include <time.h>

#include "srcu/callback.h"
#include "srcu/domain.h"
#include "srcu/futex.h"
#include "srcu/gp.h"
#include "srcu/track.h"
#include "srcu/worker.h"

enum {
	BARRIER_AHEAD = 0,
	BARRIER_SLEPT_ON = 1,
	BARRIER_REACHED = 2,
};

struct barrier {
	struct srcu_head head;
	unsigned int state; /* futex */
};

static void barrier_reached(struct srcu_head *head)
{
	struct barrier *barrier = (struct barrier *)head;

	/* The barrier may be gone by then: the kernel only hashes the address. */
	if (__atomic_exchange_n(&barrier->state, BARRIER_REACHED,
				__ATOMIC_RELEASE) == BARRIER_SLEPT_ON)
		futex_wake_all(&barrier->state);
}

static void wait_for_barrier(struct barrier *barrier)
{
	unsigned int state = BARRIER_AHEAD;

	if (!__atomic_compare_exchange_n(&barrier->state, &state,
					 BARRIER_SLEPT_ON, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return;
	do {
		futex_wait(&barrier->state, BARRIER_SLEPT_ON, FUTEX_FOREVER);
	} while (__atomic_load_n(&barrier->state, __ATOMIC_ACQUIRE) !=
		 BARRIER_REACHED);
}

static void queue_callback(struct srcu_struct *ssp, struct srcu_head *head,
			   uintptr_t bits)
{
	bool first = srcu_cb_push(ssp, head, bits);

	/*
	 * The push comes before the load, and worker_drop() stores queued
	 * before it looks for pushed callbacks: see there.
	 */
	if (first && bits & SRCU_CB_URGENT)
		srcu_worker_kick(ssp, SRCU_NOW);
	else if (!srcu_worker_has(ssp))
		srcu_worker_kick(ssp, SRCU_SOON);
}

static __thread bool in_callbacks;

/* The queue is emptied by callbacks, so those must not be slowed. */
static void slow_down(void)
{
	const struct timespec ms = {.tv_nsec = NSEC_PER_MSEC};

	if (!in_callbacks)
		nanosleep(&ms, NULL);
}

static void count_and_queue(struct srcu_struct *ssp, struct srcu_head *head,
			    void (*func)(struct srcu_head *head),
			    uintptr_t bits, void *place)
{
	unsigned long count;

	srcu_prepare(ssp);
	if (srcu_tracked(ssp) && !srcu_track_queue(ssp, head, place))
		return;
	head->func = func;
	count = __atomic_add_fetch(&ssp->cb_count, 1, __ATOMIC_RELAXED);
	if (count > SRCU_FLOOD)
		bits |= SRCU_CB_URGENT;
	queue_callback(ssp, head, bits);
	if (count > SRCU_LIMIT)
		slow_down();
}

void call_srcu(struct srcu_struct *ssp, struct srcu_head *head,
	       void (*func)(struct srcu_head *head))
{
	count_and_queue(ssp, head, func, SRCU_CB_NORMAL,
			__builtin_return_address(0));
}

void call_srcu_expedited(struct srcu_struct *ssp, struct srcu_head *head,
			 void (*func)(struct srcu_head *head))
{
	count_and_queue(ssp, head, func, SRCU_CB_URGENT,
			__builtin_return_address(0));
}

/*
 * A barrier's own is not counted: when it has been called the barrier returns,
 * and the domain must not look busy to a cleanup that follows.
 */
static void run_callback(struct srcu_struct *ssp, struct srcu_head *head)
{
	bool counted = head->func != barrier_reached;

	if (srcu_tracked(ssp) && counted)
		srcu_track_unqueue(head);
	head->func(head);
	/* Release: srcu_barrier() that sees 0 sees what it did. */
	if (counted)
		__atomic_fetch_sub(&ssp->cb_count, 1, __ATOMIC_RELEASE);
}

/* Kept in the domain, not on the stack: a fork must find what is left. */
static uint64_t run_batch(struct srcu_struct *ssp)
{
	struct srcu_head *head;
	uint64_t count = 0;

	while ((head = ssp->cb_batch)) {
		ssp->cb_batch = head->next;
		run_callback(ssp, head);
		count++;
	}
	return count;
}

bool srcu_run_callbacks(struct srcu_struct *ssp)
{
	const bool outer = in_callbacks;
	uint64_t count;

	if (!ssp->cb_done || ssp->cb_running)
		return false;
	ssp->cb_running = true;
	ssp->cb_batch = srcu_cb_take_done(ssp);
	pthread_mutex_unlock(&ssp->lock);
	in_callbacks = true;
	count = run_batch(ssp);
	in_callbacks = outer;
	pthread_mutex_lock(&ssp->lock);
	ssp->stats.callbacks += count;
	ssp->cb_running = false;
	return true;
}

/* Where there is no worker: nobody else would. */
static void run_here(struct srcu_struct *ssp)
{
	pthread_mutex_lock(&ssp->lock);
	while (srcu_run_callbacks(ssp))
		;
	pthread_mutex_unlock(&ssp->lock);
}

/*
 * A callback of its own behind all others: they run in order, so when it is
 * called those before it have returned.
 */
void srcu_barrier(struct srcu_struct *ssp)
{
	struct barrier barrier = {.head.func = barrier_reached};

	if (!__atomic_load_n(&ssp->cb_count, __ATOMIC_ACQUIRE))
		return;
	/* Neither normal nor urgent: nobody but this thread waits for it. */
	queue_callback(ssp, &barrier.head, 0);
	synchronize_srcu_expedited(ssp);
	if (!srcu_worker_start())
		run_here(ssp);
	wait_for_barrier(&barrier);
}

/*
 * Leaves out the barriers of threads that are no more, whose stacks will be
 * used again; counts the others.  Returns where the next would be linked.
 */
static struct srcu_head **keep_callbacks(struct srcu_head **link,
					 unsigned long *count)
{
	while (*link) {
		if ((*link)->func == barrier_reached) {
			*link = (*link)->next;
			continue;
		}
		link = &(*link)->next;
		++*count;
	}
	return link;
}

void srcu_callbacks_after_fork(struct srcu_struct *ssp)
{
	struct srcu_head *next = srcu_cb_heads(ssp->cb_next), **batch_end;

	ssp->cb_count = 0;
	keep_callbacks(&next, &ssp->cb_count);
	ssp->cb_next = next ? (uintptr_t)next | (ssp->cb_next & SRCU_CB_BITS) :
			      0;
	ssp->cb_wait_tail = keep_callbacks(&ssp->cb_wait, &ssp->cb_count);
	ssp->cb_done_tail = keep_callbacks(&ssp->cb_done, &ssp->cb_count);
	batch_end = keep_callbacks(&ssp->cb_batch, &ssp->cb_count);
	if (ssp->cb_batch) {
		if (!ssp->cb_done)
			ssp->cb_done_tail = batch_end;
		*batch_end = ssp->cb_done;
		ssp->cb_done = ssp->cb_batch;
		ssp->cb_batch = NULL;
	}
	ssp->cb_running = false;
}
