// SPDX-License-Identifier: MIT
/*
 * A whole VM: its devices come one after the other, each with a vCPU, doorbells
 * and a memory slot, and go again in the same way; then the VM is closed.
 */
#include "stall.h"

#define DEVICES	  STALL_VCPUS
#define DOORBELLS 1000

/* Of one VM; each call is timed by itself. */
struct whole {
	struct stall_vm vm;
	bool with_doorbells;
	int ret; /* the first failure: what comes later is not done */
	uint64_t set_up_ns, torn_down_ns, stalled_ns;
	uint64_t *phase_ns; /* one of the first two */
	uint64_t begin_ns;  /* of the call under way */
};

static bool begin_call(struct whole *whole)
{
	whole->begin_ns = clock_ns();
	return !whole->ret;
}

static void end_call(struct whole *whole, int ret)
{
	uint64_t ns = clock_ns() - whole->begin_ns;

	whole->ret = ret;
	*whole->phase_ns += ns;
	if (ns >= STALL_NS)
		whole->stalled_ns += ns;
}

static void create_vm(struct whole *whole)
{
	if (begin_call(whole))
		end_call(whole, whole->vm.way->create(&whole->vm));
}

static void create_vcpu(struct whole *whole, unsigned int id)
{
	if (begin_call(whole))
		end_call(whole, whole->vm.way->vcpu(&whole->vm, id));
}

static void destroy_vcpu(struct whole *whole, unsigned int id)
{
	if (begin_call(whole))
		end_call(whole, whole->vm.way->close_vcpu(&whole->vm, id));
}

static void set_memory(struct whole *whole, unsigned int slot, bool remove)
{
	if (begin_call(whole))
		end_call(whole,
			 whole->vm.way->memory(&whole->vm, slot, remove));
}

/* Those of one device, as even as can be. */
static void set_doorbells(struct whole *whole, unsigned int device, bool remove)
{
	unsigned int n = device * DOORBELLS / DEVICES;
	const unsigned int end = (device + 1) * DOORBELLS / DEVICES;

	for (; whole->with_doorbells && n < end && begin_call(whole); n++)
		end_call(whole, whole->vm.way->doorbell(&whole->vm, n, remove));
}

static void set_up(struct whole *whole)
{
	unsigned int i;

	whole->phase_ns = &whole->set_up_ns;
	create_vm(whole);
	for (i = 0; i < DEVICES; i++) {
		create_vcpu(whole, i);
		set_doorbells(whole, i, false);
		set_memory(whole, i, false);
	}
}

/* What is left after a failure goes with the VM. */
static void tear_down(struct whole *whole)
{
	unsigned int i;

	whole->phase_ns = &whole->torn_down_ns;
	for (i = 0; i < DEVICES; i++) {
		set_doorbells(whole, i, true);
		set_memory(whole, i, true);
		destroy_vcpu(whole, i);
	}
	if (whole->vm.created) {
		whole->begin_ns = clock_ns();
		whole->vm.way->close(&whole->vm);
		end_call(whole, whole->ret);
	}
}

enum figure { SET_UP, TORN_DOWN, STALLED };

static double figure_us(const struct whole *whole, enum figure figure)
{
	const uint64_t ns[] = {
		[SET_UP] = whole->set_up_ns,
		[TORN_DOWN] = whole->torn_down_ns,
		[STALLED] = whole->stalled_ns,
	};

	return (double)ns[figure] / 1e3;
}

static int live(const struct stall_row *row, const struct stall_way *way,
		const int *eventfds, struct samples *samples)
{
	const enum figure *figure = row->arg;
	struct whole whole = {.with_doorbells = eventfds};

	stall_vm_init(&whole.vm, way, eventfds);
	set_up(&whole);
	tear_down(&whole);
	samples_add(samples, figure_us(&whole, *figure));
	return whole.ret;
}

/* The stalls leave cold caches behind, which are not the next one's. */
static int measure_on(const struct stall_row *row, const int *eventfds,
		      struct stall_samples *out)
{
	struct samples unused = {NULL, 0, 0};
	int ret = live(row, &stall_plain, eventfds, &out->plain);

	if (!ret)
		ret = live(row, &stall_plain, NULL, &unused);
	if (!ret)
		ret = live(row, &stall_belfry, eventfds, &out->belfry);
	if (!ret)
		ret = live(row, &stall_plain, NULL, &out->alone);
	samples_free(&unused);
	return ret;
}

static int measure(const struct stall_row *row, struct stall_samples *out)
{
	return stall_with_eventfds(row, out, measure_on);
}

/* Plain does not stall on every kernel. */
static bool is_a_twentieth(double plain, double belfry, double alone)
{
	return plain <= alone || plain >= 20 * belfry;
}

static const enum figure set_up_figure = SET_UP, torn_down_figure = TORN_DOWN,
			 stalled_figure = STALLED;

const struct stall_row stall_wholes[] = {
	{"whole VM set up", "us", measure, &set_up_figure, .at_most = 3},
	{"whole VM torn down", "us", measure, &torn_down_figure, .at_most = 3},
	{"whole VM stalled", "us", measure, &stalled_figure, .at_most = 3,
	 .goal = "<= plain / 20 where the kernel stalls",
	 .met = is_a_twentieth},
	{0},
};
