/* SPDX-License-Identifier: MIT */
/*
 * A flavour of liburcu.  Include this after the header of the flavour and with
 * PEER_NAME and PEER_SYMBOL defined.
 */
#include "peer.h"

static void thread_begin(void)
{
	rcu_register_thread();
}

static void thread_end(void)
{
	rcu_unregister_thread();
}

/* Only qsbr needs quiescent states between sections. */
#ifdef PEER_QSBR
#define BATCH		  1000UL
#define BETWEEN_BATCHES() rcu_quiescent_state()
#else
#define BATCH		  (~0UL)
#define BETWEEN_BATCHES() ((void)0)
#endif

static void read_loop(unsigned long count)
{
	unsigned long i, n;

	for (; count; count -= n) {
		n = count < BATCH ? count : BATCH;
		for (i = 0; i < n; i++) {
			rcu_read_lock();
			rcu_read_unlock();
			KEEP_LOOP();
		}
		BETWEEN_BATCHES();
	}
}

static void section(void (*inside)(void *arg), void *arg)
{
	rcu_read_lock();
	inside(arg);
	rcu_read_unlock();
	BETWEEN_BATCHES();
}

static void synchronize(void)
{
	synchronize_rcu();
}

static void called(struct rcu_head *head)
{
	struct peer_call *call = (struct peer_call *)(void *)head;

	call->func(call);
}

static void call_later(struct peer_call *call)
{
	_Static_assert(sizeof(struct rcu_head) <= sizeof(call->opaque),
		       "a head does not fit");
	call_rcu((struct rcu_head *)(void *)call->opaque, called);
}

static void barrier(void)
{
	rcu_barrier();
}

extern const struct peer PEER_SYMBOL;
const struct peer PEER_SYMBOL = {
	.name = PEER_NAME,
	.thread_begin = thread_begin,
	.thread_end = thread_end,
	.read_loop = read_loop,
	.section = section,
	.synchronize = synchronize,
	.call = call_later,
	.barrier = barrier,
};
