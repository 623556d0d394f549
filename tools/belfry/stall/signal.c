// SPDX-License-Identifier: MIT
/*
 * A signal of a doorbell in the kernel, installed at once and by policy lazy.
 * Both VMs exist at the same time, and their guests write in turn on one CPU.
 * No thread waits for the eventfd, so that no wake-up is in the time.
 */
#include <errno.h>
#include <pthread.h>

#include "tools/belfry/doorbell/doorbell_vm.h"
#include "tools/bench/common/bench.h"
#include "tools/belfry/stall/rows.h"

#define SIGNALS 2000
#define BATCHES 15 /* of each VM, in turn */
#define TRIES	100

/* Add the nanoseconds of a signal to samples. */
static int measure_batch(struct doorbell_vm *vm, struct samples *samples)
{
	uint64_t ns, events;
	int ret = doorbell_vm_signal_unwatched(vm, SIGNALS, &ns, &events);

	if (ret)
		return ret;
	samples_add(samples, (double)ns / SIGNALS);
	return events == SIGNALS ? 0 : -EPROTO;
}

/*
 * Signal until the doorbell is in the kernel.  On a busy machine the worker
 * that installs it may run late.
 */
static int warm_up(struct doorbell_vm *vm)
{
	struct samples unused = {NULL, 0, 0};
	int ret = -EPROTO;

	for (int i = 0; i < TRIES && ret == -EPROTO; i++)
		ret = measure_batch(vm, &unused);
	if (!ret)
		ret = measure_batch(vm, &unused);
	samples_free(&unused);
	return ret;
}

static int create_warm(enum doorbell_kind kind, struct doorbell_vm **vmp)
{
	const struct doorbell_desc desc = {.kind = kind, .len = 4};
	int ret = doorbell_vm_create(vmp, &desc, NULL);

	if (ret)
		return ret;
	ret = warm_up(*vmp);
	if (ret)
		doorbell_vm_destroy(*vmp);
	return ret;
}

static int measure_in_turn(struct doorbell_vm *plain,
			   struct doorbell_vm *belfry,
			   struct stall_samples *out)
{
	struct stall_samples batches = {0};
	int ret = 0;

	for (int i = 0; i < BATCHES && !ret; i++) {
		ret = measure_batch(plain, &batches.plain);
		if (!ret)
			ret = measure_batch(belfry, &batches.belfry);
	}
	samples_add(&out->plain, samples_median(&batches.plain));
	samples_add(&out->belfry, samples_median(&batches.belfry));
	samples_free(&batches.plain);
	samples_free(&batches.belfry);
	return ret;
}

struct measurement {
	struct doorbell_vm *plain;
	struct doorbell_vm *belfry;
	struct stall_samples *out;
	int ret;
};

/* Only this thread is pinned: the other rows use all CPUs. */
static void *measure_pinned(void *arg)
{
	struct measurement *m = arg;

	pin_thread(0);
	m->ret = measure_in_turn(m->plain, m->belfry, m->out);
	return NULL;
}

static int measure_both(struct doorbell_vm *plain, struct doorbell_vm *belfry,
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

int stall_measure_signal(const struct stall_row *row, struct stall_samples *out)
{
	struct doorbell_vm *plain, *belfry;
	int ret = create_warm(DOORBELL_KERNEL, &plain);

	if (ret)
		return ret;
	ret = create_warm(DOORBELL_LAZY, &belfry);
	if (!ret) {
		ret = measure_both(plain, belfry, out);
		doorbell_vm_destroy(belfry);
	}
	doorbell_vm_destroy(plain);
	return ret;
}
