// SPDX-License-Identifier: MIT
#include <time.h>

#include "base/thread_local.h"
#include "srcu/futex.h"
#include "srcu/gp.h"
#include "srcu/report.h"
#include "srcu/worker.h"

enum {
	BARRIER_PENDING = 0,
	BARRIER_SLEPT_ON = 1,
	BARRIER_REACHED = 2,
};

struct barrier {
	struct bf_srcu_head head;
	unsigned int state; /* futex */
};

static void barrier_reached(struct bf_srcu_head *head)
{
	struct barrier *barrier = (struct barrier *)head;

	/*
	 * The waiter may return, and the barrier be gone, before the wake-up.
	 * The kernel only hashes the address.
	 */
	if (__atomic_exchange_n(&barrier->state, BARRIER_REACHED,
				__ATOMIC_RELEASE) == BARRIER_SLEPT_ON)
		futex_wake_all(&barrier->state);
}

static void wait_for_barrier(struct barrier *barrier)
{
	unsigned int state = BARRIER_PENDING;

	if (!__atomic_compare_exchange_n(&barrier->state, &state,
					 BARRIER_SLEPT_ON, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
		return;
	do {
		futex_wait(&barrier->state, BARRIER_SLEPT_ON, FUTEX_FOREVER);
	} while (__atomic_load_n(&barrier->state, __ATOMIC_ACQUIRE) !=
		 BARRIER_REACHED);
}

static void queue_callback(struct bf_srcu *ssp, struct bf_srcu_head *head,
			   uintptr_t bits)
{
	bool first = bf_srcu_cb_push(ssp, head, bits);

	/*
	 * The push comes before the load of queued; worker_drop() stores
	 * queued before it looks for pushed callbacks.  See there.
	 */
	if (first && bits & SRCU_CB_URGENT)
		bf_srcu_worker_kick(ssp, SRCU_NOW);
	else if (!bf_srcu_worker_has(ssp))
		bf_srcu_worker_kick(ssp, SRCU_SOON);
}

BF_THREAD_LOCAL(bool, in_callbacks);

/* Callbacks empty the queue, so they are not slowed down. */
static void slow_down(void)
{
	const struct timespec ms = {.tv_nsec = NSEC_PER_MSEC};

	if (!*in_callbacks())
		nanosleep(&ms, NULL);
}

static void count_and_queue(struct bf_srcu *ssp, struct bf_srcu_head *head,
			    void (*func)(struct bf_srcu_head *head),
			    uintptr_t bits, void *place)
{
	unsigned long count;

	if (ssp->tracked && !bf_srcu_track_queue(ssp, head, place))
		return;
	head->func = func;
	count = __atomic_add_fetch(&ssp->cb_count, 1, __ATOMIC_RELAXED);
	if (count > BF_SRCU_FLOOD)
		bits |= SRCU_CB_URGENT;
	queue_callback(ssp, head, bits);
	if (count > BF_SRCU_LIMIT)
		slow_down();
}

void bf_srcu_call(struct bf_srcu *ssp, struct bf_srcu_head *head,
		  void (*func)(struct bf_srcu_head *head))
{
	count_and_queue(ssp, head, func, SRCU_CB_NORMAL,
			__builtin_return_address(0));
}

void bf_srcu_call_expedited(struct bf_srcu *ssp, struct bf_srcu_head *head,
			    void (*func)(struct bf_srcu_head *head))
{
	count_and_queue(ssp, head, func, SRCU_CB_URGENT,
			__builtin_return_address(0));
}

/*
 * The callback of a barrier is not counted: the barrier returns when it is
 * called, and a cleanup that follows must not find the domain busy.
 */
static void run_callback(struct bf_srcu *ssp, struct bf_srcu_head *head)
{
	bool counted = head->func != barrier_reached;

	if (ssp->tracked && counted)
		bf_srcu_track_unqueue(head);
	head->func(head);
	/*
	 * Release, with the acquire in bf_srcu_barrier(): a barrier that reads
	 * 0 sees what the callback did.
	 */
	if (counted)
		__atomic_fetch_sub(&ssp->cb_count, 1, __ATOMIC_RELEASE);
}

/* The batch is in the domain, not on the stack: a fork finds the rest. */
static uint64_t run_batch(struct bf_srcu *ssp, uint64_t max)
{
	struct bf_srcu_head *head;
	uint64_t count = 0;

	while (count < max && (head = ssp->cb_batch)) {
		ssp->cb_batch = head->next;
		run_callback(ssp, head);
		count++;
	}
	return count;
}

/*
 * Puts the callbacks of the next batch in the order in which they were queued.
 * A flood may leave a million, so no call handles more than max.  Returns true
 * if the batch may run.  Lock held.
 */
static bool batch_sort(struct bf_srcu *ssp, uint64_t max)
{
	struct bf_srcu_head *head;

	if (!ssp->cb_batch && !ssp->cb_taken) {
		ssp->cb_taken = ssp->cb_done;
		ssp->cb_done = NULL;
	}
	while (max-- && (head = ssp->cb_taken)) {
		ssp->cb_taken = head->next;
		head->next = ssp->cb_batch;
		ssp->cb_batch = head;
	}
	return !ssp->cb_taken;
}

bool bf_srcu_run_callbacks(struct bf_srcu *ssp, uint64_t max)
{
	const bool outer = *in_callbacks();
	uint64_t count;

	if (!bf_srcu_callbacks_ready(ssp))
		return false;
	if (!batch_sort(ssp, max))
		return true;
	ssp->cb_running = true;
	pthread_mutex_unlock(&ssp->lock);
	*in_callbacks() = true;
	count = run_batch(ssp, max);
	*in_callbacks() = outer;
	pthread_mutex_lock(&ssp->lock);
	ssp->stats.callbacks += count;
	ssp->cb_running = false;
	return true;
}

/*
 * For a process that cannot start the worker.  A thread that is running
 * callbacks does this for those that are queued meanwhile, too.
 */
static void run_here(struct bf_srcu *ssp)
{
	pthread_mutex_lock(&ssp->lock);
	while (bf_srcu_run_callbacks(ssp, SRCU_ALL_CALLBACKS) ||
	       (!ssp->cb_running && bf_srcu_gp_wanted(ssp))) {
		pthread_mutex_unlock(&ssp->lock);
		bf_srcu_synchronize_expedited(ssp);
		pthread_mutex_lock(&ssp->lock);
	}
	pthread_mutex_unlock(&ssp->lock);
}

/*
 * Queues a callback behind all others.  Callbacks run in order, so those before
 * it have returned when it is called.
 */
void bf_srcu_barrier(struct bf_srcu *ssp)
{
	struct barrier barrier = {.head.func = barrier_reached};

	if (!__atomic_load_n(&ssp->cb_count, __ATOMIC_ACQUIRE))
		return;
	if (*in_callbacks())
		bf_srcu_report_misuse(ssp, BF_SRCU_REPORT_DEADLOCK,
				      "a callback waits for callbacks",
				      __builtin_return_address(0), NULL);
	/* Neither normal nor urgent: this thread drives the grace period. */
	queue_callback(ssp, &barrier.head, 0);
	bf_srcu_synchronize_expedited(ssp);
	if (!bf_srcu_worker_start())
		run_here(ssp);
	wait_for_barrier(&barrier);
}

/*
 * Removes the barriers of threads that do not exist in the child, because their
 * stacks are reused, and counts the other callbacks.
 */
static unsigned long drop_barriers(struct bf_srcu_head **link)
{
	unsigned long count = 0;

	while (*link) {
		if ((*link)->func == barrier_reached) {
			*link = (*link)->next;
			continue;
		}
		link = &(*link)->next;
		count++;
	}
	return count;
}

void bf_srcu_callbacks_after_fork(struct bf_srcu *ssp)
{
	struct bf_srcu_head *next = bf_srcu_cb_heads(ssp->cb_next);

	ssp->cb_count = drop_barriers(&next) + drop_barriers(&ssp->cb_wait) +
			drop_barriers(&ssp->cb_done) +
			drop_barriers(&ssp->cb_taken) +
			drop_barriers(&ssp->cb_batch);
	ssp->cb_next = next ? (uintptr_t)next | (ssp->cb_next & SRCU_CB_BITS) :
			      0;
	ssp->cb_running = false;
}
