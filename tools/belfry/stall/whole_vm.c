// SPDX-License-Identifier: MIT
/*
 * The life of a large VM.  For each device the VM gets a vCPU, doorbells and a
 * memory slot; then it loses them device by device, and is closed.
 */
#include "tools/belfry/stall/rows.h"

#define DEVICES	  STALL_VCPUS
#define DOORBELLS 1000

/* One VM; each call is timed by itself. */
struct vm_life {
	struct stall_vm vm;
	bool with_doorbells;
	int ret; /* the first failure; later calls are left out */
	uint64_t set_up_ns, torn_down_ns, stalled_ns;
	uint64_t *phase_ns; /* points to set_up_ns or torn_down_ns */
	uint64_t begin_ns;  /* start of the current call */
};

static bool begin_call(struct vm_life *life)
{
	life->begin_ns = clock_ns();
	return !life->ret;
}

static void end_call(struct vm_life *life, int ret)
{
	uint64_t ns = clock_ns() - life->begin_ns;

	life->ret = ret;
	*life->phase_ns += ns;
	if (ns >= STALL_NS)
		life->stalled_ns += ns;
}

static void create_vm(struct vm_life *life)
{
	if (begin_call(life))
		end_call(life, life->vm.backend->create(&life->vm));
}

static void create_vcpu(struct vm_life *life, unsigned int id)
{
	if (begin_call(life))
		end_call(life, life->vm.backend->vcpu(&life->vm, id));
}

static void destroy_vcpu(struct vm_life *life, unsigned int id)
{
	if (begin_call(life))
		end_call(life, life->vm.backend->close_vcpu(&life->vm, id));
}

static void set_memory(struct vm_life *life, unsigned int slot, bool remove)
{
	if (begin_call(life))
		end_call(life,
			 life->vm.backend->memory(&life->vm, slot, remove));
}

/* Add or remove the doorbells of one device: 15 or 16 of the 1,000. */
static void set_doorbells(struct vm_life *life, unsigned int device,
			  bool remove)
{
	unsigned int n = device * DOORBELLS / DEVICES;
	const unsigned int end = (device + 1) * DOORBELLS / DEVICES;

	for (; life->with_doorbells && n < end && begin_call(life); n++)
		end_call(life,
			 life->vm.backend->doorbell(&life->vm, n, remove));
}

static void set_up(struct vm_life *life)
{
	unsigned int i;

	life->phase_ns = &life->set_up_ns;
	create_vm(life);
	for (i = 0; i < DEVICES; i++) {
		create_vcpu(life, i);
		set_doorbells(life, i, false);
		set_memory(life, i, false);
	}
}

/* After a failure only the close is left to do. */
static void tear_down(struct vm_life *life)
{
	unsigned int i;

	life->phase_ns = &life->torn_down_ns;
	for (i = 0; i < DEVICES; i++) {
		set_doorbells(life, i, true);
		set_memory(life, i, true);
		destroy_vcpu(life, i);
	}
	if (life->vm.created) {
		life->begin_ns = clock_ns();
		life->vm.backend->close(&life->vm);
		end_call(life, life->ret);
	}
}

enum whole_vm_figure { SET_UP, TORN_DOWN, STALLED };

static double figure_us(const struct vm_life *life, enum whole_vm_figure figure)
{
	const uint64_t ns[] = {
		[SET_UP] = life->set_up_ns,
		[TORN_DOWN] = life->torn_down_ns,
		[STALLED] = life->stalled_ns,
	};

	return (double)ns[figure] / 1e3;
}

static int run_whole_vm(const enum whole_vm_figure *figure,
			const struct stall_backend *backend,
			const int *eventfds, struct samples *samples)
{
	struct vm_life life = {.with_doorbells = eventfds};

	stall_vm_init(&life.vm, backend, eventfds);
	set_up(&life);
	tear_down(&life);
	samples_add(samples, figure_us(&life, *figure));
	return life.ret;
}

static int run_plain(const void *arg, const int *eventfds,
		     struct samples *samples)
{
	return run_whole_vm(arg, &stall_plain, eventfds, samples);
}

/* The stalls leave cold caches behind, so discard the next VM. */
static int measure_on(const struct stall_row *row, const int *eventfds,
		      struct stall_samples *out)
{
	struct samples unused = {NULL, 0, 0};
	int ret =
		stall_measure_plain(run_plain, false, row->arg, eventfds, out);

	if (!ret)
		ret = run_plain(row->arg, NULL, &unused);
	if (!ret && stall_kinds.belfry)
		ret = run_whole_vm(row->arg, &stall_belfry, eventfds,
				   &out->belfry);
	if (!ret)
		ret = run_plain(row->arg, NULL, &out->alone);
	samples_free(&unused);
	return ret;
}

static int measure(const struct stall_row *row, struct stall_samples *out)
{
	return stall_with_eventfds(row, out, measure_on);
}

/* Not every kernel stalls with plain ioctls. */
static bool is_a_twentieth(double plain, double belfry, double alone)
{
	return plain <= alone || plain >= 20 * belfry;
}

static const enum whole_vm_figure set_up_figure = SET_UP,
				  torn_down_figure = TORN_DOWN,
				  stalled_figure = STALLED;

const struct stall_row stall_whole_vm[] = {
	{"whole VM set up", "us", measure, &set_up_figure, .at_most = 3,
	 .goal = "<= 1.5 x alone", .met = stall_is_half_more},
	{"whole VM torn down", "us", measure, &torn_down_figure, .at_most = 3,
	 .goal = "<= 1.5 x alone", .met = stall_is_half_more},
	{"whole VM stalled", "us", measure, &stalled_figure, .at_most = 3,
	 .goal = "<= plain / 20 where the kernel stalls",
	 .met = is_a_twentieth},
	{0},
};
