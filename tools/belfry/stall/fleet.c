// SPDX-License-Identifier: MIT
/*
 * Many small VMs: each is made, gets its doorbells, its memory and a vCPU, and
 * is closed.
 */
#include <pthread.h>

#include "stall.h"

#define VMS	128
#define AT_ONCE 8

struct fleet {
	const struct stall_way *way;
	unsigned int doorbells; /* of each VM */
	unsigned int started;	/* atomic */
	int ret;		/* atomic: the first failure */
};

static int live(const struct stall_way *way, unsigned int doorbells,
		const int *eventfds)
{
	struct stall_vm vm;
	int ret;

	stall_vm_init(&vm, way, eventfds);
	ret = way->create(&vm);
	if (ret)
		return ret;
	ret = stall_assign(&vm, 0, doorbells);
	if (!ret)
		ret = way->memory(&vm, 0, false);
	if (!ret)
		ret = way->vcpu(&vm, 0);
	way->close(&vm);
	return ret;
}

static void fail(struct fleet *fleet, int ret)
{
	if (ret)
		__atomic_store_n(&fleet->ret, ret, __ATOMIC_RELAXED);
}

static void *start_vms(void *arg)
{
	struct fleet *fleet = arg;
	int eventfds[STALL_DOORBELLS];
	int ret = stall_open_eventfds(eventfds);

	fail(fleet, ret);
	if (ret)
		return NULL;
	while (__atomic_fetch_add(&fleet->started, 1, __ATOMIC_RELAXED) < VMS)
		fail(fleet, live(fleet->way, fleet->doorbells, eventfds));
	stall_close_eventfds(eventfds);
	return NULL;
}

/* VMs a second go to samples. */
static int run_fleet(const struct stall_way *way, unsigned int doorbells,
		     unsigned int threads, struct samples *samples)
{
	struct fleet fleet = {.way = way, .doorbells = doorbells};
	pthread_t thread[AT_ONCE];
	uint64_t begin = clock_ns();
	unsigned int i, n = 0;

	for (i = 1; i < threads; i++)
		n += !pthread_create(&thread[n], NULL, start_vms, &fleet);
	start_vms(&fleet);
	while (n)
		pthread_join(thread[--n], NULL);
	samples_add(samples, VMS * 1e9 / (double)(clock_ns() - begin));
	return fleet.ret;
}

static int measure(const struct stall_row *row, struct stall_samples *out)
{
	const unsigned int *threads = row->arg;
	int ret =
		run_fleet(&stall_plain, STALL_DOORBELLS, *threads, &out->plain);

	if (!ret)
		ret = run_fleet(&stall_belfry, STALL_DOORBELLS, *threads,
				&out->belfry);
	return ret ? ret : run_fleet(&stall_plain, 0, *threads, &out->alone);
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

const struct stall_row stall_fleets[] = {
	{"128 VMs, 64 ioeventfds, one after another", "VMs/s", measure, &one,
	 .more_is_better = true, .at_most = 3, .goal = ">= 8 x plain",
	 .met = is_eight_times},
	{"128 VMs, 64 ioeventfds, 8 at a time", "VMs/s", measure, &at_once,
	 .more_is_better = true, .at_most = 3, .goal = ">= 3 x plain",
	 .met = is_three_times},
	{0},
};
