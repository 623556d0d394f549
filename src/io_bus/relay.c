// SPDX-License-Identifier: MIT
/*
 * Signals of threads that must not call bf_eventfd_complete().  A write(2) of
 * theirs may sleep, in a section that removals wait for.  So the worker of SRCU
 * signals, and the thread waits until it has.
 *
 * So no callback on the worker may wait for a section.  Only the preload
 * library starts the relay, on a worker of its own, and its callbacks free
 * memory alone.
 */
#include <pthread.h>

#include "base/util.h"
#include "belfry/srcu.h"
#include "io_bus/eventfd.h"
#include "srcu/futex.h"

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

/*
 * The thread of the last signal may return, and the eventfd be gone, before the
 * wake-up.  The kernel only hashes the address.
 */
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
		for (uint32_t i = 0; i < count; i++)
			bf_eventfd_signal(eventfd);
		relayed = __atomic_add_fetch(&eventfd->relayed, count * MADE,
					     __ATOMIC_ACQ_REL);
		futex_wake_all_high(&eventfd->relayed);
	} while (asked(relayed) != made(relayed));
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
	/* Acquire: the worker does not use the eventfd any more. */
	return made(__atomic_load_n(&eventfd->relayed, __ATOMIC_ACQUIRE));
}

static void wait_until_made(struct bf_eventfd *eventfd, uint32_t ticket)
{
	uint32_t now = load_made(eventfd);

	for (; (int32_t)(now - ticket) < 0; now = load_made(eventfd))
		futex_wait_high(&eventfd->relayed, now);
}

bool bf_eventfd_relay(struct bf_eventfd *eventfd)
{
	uint32_t ticket;

	if (!__atomic_load_n(&relays, __ATOMIC_RELAXED))
		return false;
	if (ask_for_signal(eventfd, &ticket))
		bf_srcu_call_expedited(&relay_srcu, &eventfd->relay_head,
				       relay_run);
	wait_until_made(eventfd, ticket);
	return true;
}
