// SPDX-License-Identifier: MIT
/*
 * Signals of threads that cannot call bf_eventfd_complete().  A write(2) of
 * theirs may sleep, in a section that removals wait for.  So the worker of SRCU
 * signals, and the thread waits until it has.
 *
 * So no callback on the worker may wait for a section.  Only the preload
 * library starts the relay, on a worker of its own, and its callbacks free
 * memory alone.
 *
 * Where no thread of the process can, the worker writes, and another process
 * may make it sleep for ever.  After a millisecond of that the threads go on,
 * and the eventfd belongs to the worker after its last user.
 */
#include <pthread.h>

#include "base/util.h"
#include "belfry/srcu.h"
#include "io_bus/eventfd.h"
#include "srcu/futex.h"

/* How long a thread waits for a worker that sleeps in a signal. */
#define MAX_WAIT_NS (1 * NSEC_PER_MSEC)

/* And for one that may not come at all. */
#define LONGEST_WAIT_NS (1 * NSEC_PER_SEC)

/* The begin of the worker's signal in progress; 0: none. */
static uint64_t signalling_since;

/* It has no readers: its callbacks are a queue of work. */
static struct srcu_struct relay_srcu;

static bool relays;
static bool in_child; /* of a fork(), which has neither worker nor eventfds */

static void relay_start(void)
{
	if (!in_child && !init_srcu_struct(&relay_srcu) &&
	    !bf_srcu_start_worker())
		__atomic_store_n(&relays, true, __ATOMIC_RELAXED);
}

/* The threads of several vCPUs may begin at once, each with its filter. */
void bf_eventfd_start_relay(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, relay_start);
}

void bf_eventfd_forget_relay(void)
{
	__atomic_store_n(&relays, false, __ATOMIC_RELAXED);
	in_child = true;
}

/*
 * Of bf_eventfd.relayed, the low half counts the signals that threads have
 * asked for, the high half those that the worker has made.
 */
#define MADE (UINT64_C(1) << 32)

static uint32_t asked(uint64_t relayed)
{
	return (uint32_t)relayed;
}

static uint32_t made(uint64_t relayed)
{
	return (uint32_t)(relayed / MADE);
}

/* Release and acquire: the last user frees what the others have used. */
static bool drop_user(struct bf_eventfd *eventfd)
{
	return __atomic_fetch_sub(&eventfd->users, 1, __ATOMIC_ACQ_REL) == 1;
}

/* Relaxed: a signal to a doorbell that goes meanwhile may come or not. */
static bool is_left(const struct bf_eventfd *eventfd)
{
	return __atomic_load_n(&eventfd->left, __ATOMIC_RELAXED);
}

static void make_signals(struct bf_eventfd *eventfd, uint32_t count)
{
	for (; count && !is_left(eventfd); count--) {
		__atomic_store_n(&signalling_since, bf_now_ns(),
				 __ATOMIC_RELAXED);
		bf_eventfd_signal_here(eventfd);
	}
	__atomic_store_n(&signalling_since, 0, __ATOMIC_RELAXED);
}

static void relay_run(struct srcu_head *head)
{
	struct bf_eventfd *eventfd =
		container_of(head, struct bf_eventfd, relay_head);
	uint64_t relayed;
	uint32_t count;

	if (in_child)
		return;
	/* The worker must not relay to itself. */
	bf_eventfd_no_saturate = false;
	/* Acquire: what the guest wrote before it signalled. */
	relayed = __atomic_load_n(&eventfd->relayed, __ATOMIC_ACQUIRE);
	do {
		count = asked(relayed) - made(relayed);
		make_signals(eventfd, count);
		relayed = __atomic_add_fetch(&eventfd->relayed, count * MADE,
					     __ATOMIC_ACQ_REL);
		futex_wake_all_high(&eventfd->relayed);
	} while (asked(relayed) != made(relayed));
	if (drop_user(eventfd))
		bf_eventfd_free(eventfd);
}

/*
 * True: it is the first since the worker has made all.  Release, with the
 * acquire of relay_run(); acquire: the worker has taken relay_head off.
 */
static bool ask_for_signal(struct bf_eventfd *eventfd, uint32_t *ticket)
{
	uint64_t old = __atomic_load_n(&eventfd->relayed, __ATOMIC_RELAXED);

	/* The low half must not overflow into the high one. */
	while (!__atomic_compare_exchange_n(
		&eventfd->relayed, &old,
		old / MADE * MADE | (uint32_t)(asked(old) + 1), false,
		__ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	*ticket = asked(old) + 1;
	return asked(old) == made(old);
}

static uint32_t load_made(const struct bf_eventfd *eventfd)
{
	return made(__atomic_load_n(&eventfd->relayed, __ATOMIC_RELAXED));
}

/* A worker that only waits for a CPU is awaited. */
static bool waited_enough(uint64_t start)
{
	uint64_t since = __atomic_load_n(&signalling_since, __ATOMIC_RELAXED);
	uint64_t now = bf_now_ns();

	return now - start >= LONGEST_WAIT_NS ||
	       (since && now - since >= MAX_WAIT_NS);
}

static void wait_until_made(struct bf_eventfd *eventfd, uint32_t ticket)
{
	const bool may_sleep = bf_eventfd_relay_may_sleep();
	const uint64_t start = may_sleep ? bf_now_ns() : 0;
	uint32_t now = load_made(eventfd);

	while ((int32_t)(now - ticket) < 0 &&
	       !(may_sleep && waited_enough(start))) {
		futex_wait_high(&eventfd->relayed, now,
				may_sleep ? MAX_WAIT_NS : FUTEX_FOREVER);
		now = load_made(eventfd);
	}
}

bool bf_eventfd_relay(struct bf_eventfd *eventfd)
{
	uint32_t ticket;

	if (!__atomic_load_n(&relays, __ATOMIC_RELAXED))
		return false;
	if (ask_for_signal(eventfd, &ticket)) {
		/* Relaxed: the caller keeps the eventfd meanwhile. */
		__atomic_fetch_add(&eventfd->users, 1, __ATOMIC_RELAXED);
		bf_srcu_call_expedited(&relay_srcu, &eventfd->relay_head,
				       relay_run);
	}
	wait_until_made(eventfd, ticket);
	return true;
}

bool bf_eventfd_leave(struct bf_eventfd *eventfd)
{
	/* Acquire: the worker does not use the eventfd any more. */
	if (in_child || __atomic_load_n(&eventfd->users, __ATOMIC_ACQUIRE) == 1)
		return false;
	wait_until_made(eventfd, asked(__atomic_load_n(&eventfd->relayed,
						       __ATOMIC_RELAXED)));
	__atomic_store_n(&eventfd->left, true, __ATOMIC_RELAXED);
	return !drop_user(eventfd);
}
