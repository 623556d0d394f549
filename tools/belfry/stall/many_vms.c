// SPDX-License-Identifier: MIT
/*
 * Many small VMs.  Each is created, gets doorbells, a memory slot and a vCPU,
 * and is closed.
 */
#include <pthread.h>

#include "tools/belfry/stall/rows.h"

#define VMS	128
#define AT_ONCE 8

struct many_vms {
	const struct stall_backend *backend;
	unsigned int doorbells; /* of each VM */
	unsigned int started;	/* atomic */
	int ret;		/* atomic: a failure, or 0 */
};

static int run_vm(const struct stall_backend *backend, unsigned int doorbells,
		  const int *eventfds)
{
	struct stall_vm vm;
	int ret;

	stall_vm_init(&vm, backend, eventfds);
	ret = backend->create(&vm);
	if (ret)
		return ret;
	ret = stall_assign(&vm, 0, doorbells);
	if (!ret)
		ret = backend->memory(&vm, 0, false);
	if (!ret)
		ret = backend->vcpu(&vm, 0);
	backend->close(&vm);
	return ret;
}

static void fail_vms(struct many_vms *vms, int ret)
{
	if (ret)
		__atomic_store_n(&vms->ret, ret, __ATOMIC_RELAXED);
}

static void *start_vms(void *arg)
{
	struct many_vms *vms = arg;
	int eventfds[STALL_DOORBELLS];
	int ret = stall_open_eventfds(eventfds);

	fail_vms(vms, ret);
	if (ret)
		return NULL;
	while (__atomic_fetch_add(&vms->started, 1, __ATOMIC_RELAXED) < VMS)
		fail_vms(vms, run_vm(vms->backend, vms->doorbells, eventfds));
	stall_close_eventfds(eventfds);
	return NULL;
}

/* Add the number of VMs a second to samples. */
static int run_vms(const struct stall_backend *backend, unsigned int doorbells,
		   unsigned int threads, struct samples *samples)
{
	struct many_vms vms = {.backend = backend, .doorbells = doorbells};
	pthread_t thread[AT_ONCE];
	uint64_t begin = clock_ns();
	unsigned int i, n = 0;

	for (i = 1; i < threads; i++)
		n += !pthread_create(&thread[n], NULL, start_vms, &vms);
	start_vms(&vms);
	while (n)
		pthread_join(thread[--n], NULL);
	samples_add(samples, VMS * 1e9 / (double)(clock_ns() - begin));
	return vms.ret;
}

static int run_plain(const void *arg, const int *eventfds,
		     struct samples *samples)
{
	const unsigned int *threads = arg;

	return run_vms(&stall_plain, STALL_DOORBELLS, *threads, samples);
}

static int measure(const struct stall_row *row, struct stall_samples *out)
{
	const unsigned int *threads = row->arg;
	int ret = stall_measure_plain(run_plain, false, threads, NULL, out);

	if (!ret && stall_kinds.belfry)
		ret = run_vms(&stall_belfry, STALL_DOORBELLS, *threads,
			      &out->belfry);
	return ret ? ret : run_vms(&stall_plain, 0, *threads, &out->alone);
}

static bool is_eight_times(double plain, double belfry, double alone)
{
	return belfry >= 8 * plain;
}

static bool is_three_times(double plain, double belfry, double alone)
{
	return belfry >= 3 * plain;
}

static const unsigned int one = 1, at_once = AT_ONCE;

const struct stall_row stall_many_vms[] = {
	{"128 VMs, 64 ioeventfds, one after another", "VMs/s", measure, &one,
	 .more_is_better = true, .at_most = 3, .goal = ">= 8 x plain",
	 .met = is_eight_times},
	{"128 VMs, 64 ioeventfds, 8 at a time", "VMs/s", measure, &at_once,
	 .more_is_better = true, .at_most = 3, .goal = ">= 3 x plain",
	 .met = is_three_times},
	{0},
};
