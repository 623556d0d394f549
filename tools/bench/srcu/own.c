// SPDX-License-Identifier: MIT
/* The library's flavours in the form of peers. */
#include "bench_srcu.h"

struct srcu_struct bench_fenced, bench_fast;

int own_init(void)
{
	int ret = init_srcu_struct(&bench_fenced);

	return ret ? ret : init_srcu_struct_fast(&bench_fast);
}

int own_cleanup(void)
{
	int ret = cleanup_srcu_struct(&bench_fenced);

	return ret ? ret : cleanup_srcu_struct(&bench_fast);
}

static void fenced_read_loop(unsigned long count)
{
	while (count--) {
		srcu_read_unlock(&bench_fenced, srcu_read_lock(&bench_fenced));
		KEEP_LOOP();
	}
}

/* No thread ever updates these. */
DEFINE_STATIC_SRCU(unused_fenced);
DEFINE_STATIC_SRCU_FAST(unused_fast);

static void unused_fenced_read_loop(unsigned long count)
{
	while (count--) {
		srcu_read_unlock(&unused_fenced,
				 srcu_read_lock(&unused_fenced));
		KEEP_LOOP();
	}
}

static void unused_fast_read_loop(unsigned long count)
{
	while (count--) {
		srcu_read_unlock_fast(&unused_fast,
				      srcu_read_lock_fast(&unused_fast));
		KEEP_LOOP();
	}
}

const struct peer own_unused_fenced = {
	.name = "fenced",
	.read_loop = unused_fenced_read_loop,
};

const struct peer own_unused_fast = {
	.name = "fast",
	.read_loop = unused_fast_read_loop,
};

static void fenced_section(void (*inside)(void *arg), void *arg)
{
	int idx = srcu_read_lock(&bench_fenced);

	inside(arg);
	srcu_read_unlock(&bench_fenced, idx);
}

static void fenced_synchronize(void)
{
	synchronize_srcu_expedited(&bench_fenced);
}

static void fast_read_loop(unsigned long count)
{
	while (count--) {
		srcu_read_unlock_fast(&bench_fast,
				      srcu_read_lock_fast(&bench_fast));
		KEEP_LOOP();
	}
}

static void fast_section(void (*inside)(void *arg), void *arg)
{
	struct srcu_ctr *scp = srcu_read_lock_fast(&bench_fast);

	inside(arg);
	srcu_read_unlock_fast(&bench_fast, scp);
}

static void fast_synchronize(void)
{
	synchronize_srcu_expedited(&bench_fast);
}

static void called(struct srcu_head *head)
{
	struct peer_call *call = (struct peer_call *)(void *)head;

	call->func(call);
}

static struct srcu_head *head_of(struct peer_call *call)
{
	_Static_assert(sizeof(struct srcu_head) <= sizeof(call->opaque),
		       "a head does not fit");
	return (struct srcu_head *)(void *)call->opaque;
}

static void fenced_call(struct peer_call *call)
{
	call_srcu(&bench_fenced, head_of(call), called);
}

static void fenced_call_expedited(struct peer_call *call)
{
	call_srcu_expedited(&bench_fenced, head_of(call), called);
}

static void fast_call(struct peer_call *call)
{
	call_srcu(&bench_fast, head_of(call), called);
}

static void fenced_barrier(void)
{
	srcu_barrier(&bench_fenced);
}

static void fast_barrier(void)
{
	srcu_barrier(&bench_fast);
}

const struct peer own_fenced = {
	.name = "fenced",
	.read_loop = fenced_read_loop,
	.section = fenced_section,
	.synchronize = fenced_synchronize,
	.call = fenced_call,
	.barrier = fenced_barrier,
};

const struct peer own_expedited = {
	.name = "fenced",
	.read_loop = fenced_read_loop,
	.section = fenced_section,
	.synchronize = fenced_synchronize,
	.call = fenced_call_expedited,
	.barrier = fenced_barrier,
};

const struct peer own_fast = {
	.name = "fast",
	.read_loop = fast_read_loop,
	.section = fast_section,
	.synchronize = fast_synchronize,
	.call = fast_call,
	.barrier = fast_barrier,
};

/*
 * The least that a reader does.  A processor may forward a store to a load of
 * the same fixed address for free, but not if it computes the address from the
 * number of the CPU, as readers do.
 */
static struct __bf_srcu_slot slots[1024];

static unsigned int this_cpu(void)
{
	unsigned int cpu = 0;

#ifdef __BF_SRCU_RSEQ
	__asm__ volatile("movl %%fs:4(%1), %0"
			 : "=r"(cpu)
			 : "r"(__rseq_offset));
#endif
	return cpu % (sizeof(slots) / sizeof(slots[0]));
}

static void increment(unsigned long *word)
{
	*(volatile unsigned long *)word += 1;
}

static void cpu_increment_loop(unsigned long count)
{
	while (count--) {
		increment(&slots[this_cpu()].lock[0]);
		increment(&slots[this_cpu()].unlock[0]);
		KEEP_LOOP();
	}
}

/* What a reader does beside its sequences shows against this. */
static void sequence_loop(unsigned long count)
{
	while (count--) {
		if (!__bf_srcu_rseq_inc(&slots[0].lock[0]))
			increment(&slots[0].lock[0]);
		if (!__bf_srcu_rseq_inc(&slots[0].unlock[0]))
			increment(&slots[0].unlock[0]);
		KEEP_LOOP();
	}
}

static void increment_loop(unsigned long count)
{
	while (count--) {
		increment(&slots[0].lock[0]);
		increment(&slots[0].unlock[0]);
		KEEP_LOOP();
	}
}

static void increment_fence_loop(unsigned long count)
{
	while (count--) {
		increment(&slots[0].lock[0]);
		__bf_srcu_fence();
		increment(&slots[0].unlock[0]);
		KEEP_LOOP();
	}
}

const struct peer two_cpu_increments = {
	.name = "two increments",
	.read_loop = cpu_increment_loop,
};

const struct peer two_sequences = {
	.name = "two sequences",
	.read_loop = sequence_loop,
};

const struct peer two_increments = {
	.name = "at a fixed address",
	.read_loop = increment_loop,
};

const struct peer two_increments_fence = {
	.name = "two increments and a fence",
	.read_loop = increment_fence_loop,
};
