// SPDX-License-Identifier: MIT
/*
 * A ring of a doorbell that the kernel has, given to it at once and by lazy.
 * Both guests are there at the same time and ring in turn, on one CPU, and
 * nobody waits for the eventfd: what is left is the ring itself.
 */
#include <errno.h>
#include <pthread.h>

#include "tools/belfry/doorbell/bell.h"
#include "tools/bench/common/bench.h"
#include "stall.h"

#define RINGS	2000
#define BATCHES 15 /* of each, in turn */
#define TRIES	100

/* Nanoseconds a ring go to samples. */
static int ring(struct bell *bell, struct samples *samples)
{
	uint64_t ns, events;
	int ret = bell_ring_unheard(bell, RINGS, &ns, &events);

	if (ret)
		return ret;
	samples_add(samples, (double)ns / RINGS);
	return events == RINGS ? 0 : -EPROTO;
}

/* Until the kernel has the doorbell: on a busy machine that takes a while. */
static int warm_up(struct bell *bell)
{
	struct samples unused = {NULL, 0, 0};
	int ret = -EPROTO;

	for (int i = 0; i < TRIES && ret == -EPROTO; i++)
		ret = ring(bell, &unused);
	if (!ret)
		ret = ring(bell, &unused);
	samples_free(&unused);
	return ret;
}

static int create(enum bell_kind kind, struct bell **bellp)
{
	const struct bell_desc desc = {.kind = kind, .len = 4};
	int ret = bell_create(bellp, &desc, BF_ENGINE_KVM);

	if (ret)
		return ret;
	ret = warm_up(*bellp);
	if (ret)
		bell_destroy(*bellp);
	return ret;
}

static int ring_in_turn(struct bell *plain, struct bell *belfry,
			struct stall_samples *out)
{
	struct stall_samples batches = {0};
	int ret = 0;

	for (int i = 0; i < BATCHES && !ret; i++) {
		ret = ring(plain, &batches.plain);
		if (!ret)
			ret = ring(belfry, &batches.belfry);
	}
	samples_add(&out->plain, samples_median(&batches.plain));
	samples_add(&out->belfry, samples_median(&batches.belfry));
	samples_free(&batches.plain);
	samples_free(&batches.belfry);
	return ret;
}

struct measurement {
	struct bell *plain;
	struct bell *belfry;
	struct stall_samples *out;
	int ret;
};

/* A thread of its own: the other rows are to keep all CPUs. */
static void *measure_pinned(void *arg)
{
	struct measurement *m = arg;

	pin_thread(0);
	m->ret = ring_in_turn(m->plain, m->belfry, m->out);
	return NULL;
}

static int measure_both(struct bell *plain, struct bell *belfry,
			struct stall_samples *out)
{
	struct measurement m = {plain, belfry, out, 0};
	pthread_t thread;
	int ret = -pthread_create(&thread, NULL, measure_pinned, &m);

	if (ret)
		return ret;
	pthread_join(thread, NULL);
	return m.ret;
}

int stall_measure_ring(const struct stall_row *row, struct stall_samples *out)
{
	struct bell *plain, *belfry;
	int ret = create(BELL_KERNEL, &plain);

	if (ret)
		return ret;
	ret = create(BELL_LAZY, &belfry);
	if (!ret) {
		ret = measure_both(plain, belfry, out);
		bell_destroy(belfry);
	}
	bell_destroy(plain);
	return ret;
}
