// SPDX-License-Identifier: MIT
/*
 * Two throw-away VMs, one plain and one of belfry/vm.h.  They take some 30 ms
 * on a kernel that stalls, at HZ=250.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "tools/belfry/doctor/internal.h"
#include "tools/belfry/stall/rows.h"

#define FAST_CALLS 16	    /* of a kind that does not sleep */
#define MOST_PAIRS 5	    /* with a change that may sleep */
#define ENOUGH_NS  15000000 /* no further one of these after this time */

/* Numbers for calls on one VM: no slot and no doorbell is used twice. */
struct numbers {
	unsigned int slot, doorbell;
};

static int timed_slot(struct stall_vm *vm, struct numbers *numbers,
		      struct samples *samples)
{
	uint64_t begin = clock_ns();
	int ret = vm->backend->memory(vm, numbers->slot++, false);

	samples_add(samples, (double)(clock_ns() - begin));
	return ret;
}

static int timed_doorbell(struct stall_vm *vm, struct numbers *numbers,
			  struct samples *samples)
{
	uint64_t begin = clock_ns();
	int ret = vm->backend->doorbell(vm, numbers->doorbell++, false);

	samples_add(samples, (double)(clock_ns() - begin));
	return ret;
}

static uint64_t take_median(struct samples *samples)
{
	uint64_t median = (uint64_t)samples_median(samples);

	samples_free(samples);
	return median;
}

/* Of calls that do not sleep: other load only lengthens them. */
static uint64_t take_fastest(struct samples *samples)
{
	uint64_t fastest = (uint64_t)samples_min(samples);

	samples_free(samples);
	return fastest;
}

/* The first slot pays for the map of the guest's memory, and is left out. */
static int measure_alone(struct stall_vm *vm, struct numbers *numbers,
			 uint64_t *ns)
{
	struct samples first = {0}, samples = {0};
	int ret = timed_slot(vm, numbers, &first);

	for (int i = 0; i < FAST_CALLS && !ret; i++)
		ret = timed_slot(vm, numbers, &samples);
	samples_free(&first);
	*ns = take_fastest(&samples);
	return ret;
}

/*
 * A registration, then a change, several times.  With @sleeps the change may
 * sleep for its timer, and the median tells how long.
 */
static int measure_pairs(struct stall_vm *vm, struct numbers *numbers,
			 bool sleeps, uint64_t *registration, uint64_t *after)
{
	struct samples doorbells = {0}, slots = {0};
	const uint64_t begin = clock_ns();
	const int most = sleeps ? MOST_PAIRS : FAST_CALLS;
	int ret = 0;

	for (int i = 0; i < most && !ret; i++) {
		if (sleeps && i && clock_ns() - begin > ENOUGH_NS)
			break;
		ret = timed_doorbell(vm, numbers, &doorbells);
		if (!ret)
			ret = timed_slot(vm, numbers, &slots);
	}
	*registration = take_fastest(&doorbells);
	*after = sleeps ? take_median(&slots) : take_fastest(&slots);
	return ret;
}

/* A machine without an irqchip in the kernel has no such figure. */
static int measure_irqchip(struct stall_vm *vm, struct numbers *numbers,
			   uint64_t *ns)
{
	struct samples samples = {0};
	int ret;

	if (!irqchip_create(vm->fd))
		return 0;
	ret = timed_slot(vm, numbers, &samples);
	*ns = take_median(&samples);
	return ret;
}

static int measure_plain(const int *eventfds, struct costs *costs)
{
	struct numbers numbers = {0};
	struct stall_vm vm;
	int ret;

	stall_vm_init(&vm, &stall_plain, eventfds);
	ret = vm.backend->create(&vm);
	if (ret)
		return ret;
	ret = measure_alone(&vm, &numbers, &costs->change);
	if (!ret)
		ret = measure_pairs(&vm, &numbers, true, &costs->registration,
				    &costs->after);
	if (!ret)
		ret = measure_irqchip(&vm, &numbers, &costs->irqchip);
	vm.backend->close(&vm);
	return ret;
}

static int measure_belfry(const int *eventfds, struct costs *costs)
{
	struct numbers numbers = {0};
	struct stall_vm vm;
	uint64_t unused;
	int ret;

	stall_policy = BF_POLICY_NEVER;
	stall_vm_init(&vm, &stall_belfry, eventfds);
	ret = vm.backend->create(&vm);
	if (ret)
		return ret;
	ret = measure_alone(&vm, &numbers, &unused);
	if (!ret)
		ret = measure_pairs(&vm, &numbers, false,
				    &costs->belfry_registration,
				    &costs->belfry_after);
	vm.backend->close(&vm);
	return ret;
}

/*
 * A stall ends with a timer of a tick or two.  A registration that waits for a
 * grace period takes no longer than other calls may: the version tells it from
 * one that does not.
 */
static enum problem find_problem(const struct machine *machine)
{
	const struct costs *costs = &machine->costs;
	const uint64_t half_tick = 500000000 / machine->hz;

	if (costs->after > costs->change + half_tick &&
	    costs->after > 3 * costs->change)
		return PROBLEM_STALL;
	if (machine_waits(machine) &&
	    costs->registration > 2 * costs->belfry_registration)
		return PROBLEM_WAIT;
	return PROBLEM_NONE;
}

/* How long this thread was ready to run and had no CPU; 0: unknown. */
static uint64_t time_without_cpu(void)
{
	FILE *file = fopen("/proc/thread-self/schedstat", "re");
	uint64_t ns = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%*u %" SCNu64, &ns) != 1)
		ns = 0;
	fclose(file);
	return ns;
}

bool machine_is_busy(const struct machine *machine)
{
	return machine->waited_ns > machine->measured_ns / 10;
}

static int measure(struct machine *machine)
{
	int eventfds[STALL_DOORBELLS];
	int ret = stall_open_eventfds(eventfds);

	if (ret)
		return ret;
	ret = measure_plain(eventfds, &machine->costs);
	if (!ret)
		ret = measure_belfry(eventfds, &machine->costs);
	stall_close_eventfds(eventfds);
	return ret;
}

int machine_measure(struct machine *machine)
{
	const uint64_t waited = time_without_cpu(), begin = clock_ns();
	int ret = measure(machine);

	machine->measured_ns = clock_ns() - begin;
	machine->waited_ns = time_without_cpu() - waited;
	machine->problem = find_problem(machine);
	return ret;
}
