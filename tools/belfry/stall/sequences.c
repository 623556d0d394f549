// SPDX-License-Identifier: MIT
/* Sequences of calls on a new VM; one part of a sequence is timed. */
#include "tools/belfry/stall/rows.h"

#define MANY STALL_DOORBELLS

/*
 * Only measured() is timed.  Without with_doorbells the sequence leaves out the
 * doorbells, which gives the cost of the other calls alone.
 */
struct sequence {
	int (*prepare)(struct stall_vm *vm, bool with_doorbells);
	int (*measured)(struct stall_vm *vm, bool with_doorbells);
	unsigned int calls;  /* the time is divided by this number */
	bool doorbells_only; /* no other call is left to time alone */
};

int stall_assign(struct stall_vm *vm, unsigned int first, unsigned int count)
{
	unsigned int i;
	int ret = 0;

	for (i = first; i < first + count && !ret; i++)
		ret = vm->backend->doorbell(vm, i, false);
	return ret;
}

static int deassign(struct stall_vm *vm, unsigned int first, unsigned int count)
{
	unsigned int i;
	int ret = 0;

	for (i = first; i < first + count && !ret; i++)
		ret = vm->backend->doorbell(vm, i, true);
	return ret;
}

static int nothing(struct stall_vm *vm, bool with_doorbells)
{
	return 0;
}

static int assign_one(struct stall_vm *vm, bool with_doorbells)
{
	return with_doorbells ? stall_assign(vm, 0, 1) : 0;
}

static int one_then_memory(struct stall_vm *vm, bool with_doorbells)
{
	int ret = assign_one(vm, with_doorbells);

	return ret ? ret : vm->backend->memory(vm, 0, false);
}

static int sixteen_then_memory(struct stall_vm *vm, bool with_doorbells)
{
	int ret = with_doorbells ? stall_assign(vm, 0, 16) : 0;

	return ret ? ret : vm->backend->memory(vm, 0, false);
}

static int interleaved(struct stall_vm *vm, bool with_doorbells)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 16 && !ret; i++) {
		if (with_doorbells)
			ret = stall_assign(vm, 4 * i, 4);
		if (!ret)
			ret = vm->backend->memory(vm, i, false);
	}
	return ret;
}

/* Four devices of one doorbell each, in a guest that resets repeatedly. */
static int reset_and_again(struct stall_vm *vm, bool with_doorbells)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 8 && !ret; i++) {
		if (with_doorbells)
			ret = stall_assign(vm, 0, 4);
		if (!ret)
			ret = vm->backend->memory(vm, 2 * i, false);
		if (!ret && with_doorbells)
			ret = deassign(vm, 0, 4);
		if (!ret)
			ret = vm->backend->memory(vm, 2 * i + 1, false);
	}
	return ret;
}

static int assign_many(struct stall_vm *vm, bool with_doorbells)
{
	return with_doorbells ? stall_assign(vm, 0, MANY) : 0;
}

static int deassign_many(struct stall_vm *vm, bool with_doorbells)
{
	return deassign(vm, 0, MANY);
}

static int deassign_one(struct stall_vm *vm, bool with_doorbells)
{
	return deassign(vm, 0, 1);
}

static int close_vm(struct stall_vm *vm, bool with_doorbells)
{
	vm->backend->close(vm);
	vm->backend = NULL;
	return 0;
}

static int first_vcpu(struct stall_vm *vm, bool with_doorbells)
{
	return vm->backend->vcpu(vm, 0);
}

/* Run a sequence on a new VM and add its microseconds to samples. */
static int measure_sequence(const struct sequence *sequence,
			    const struct stall_backend *backend,
			    bool with_doorbells, const int *eventfds,
			    struct samples *samples)
{
	unsigned int calls = sequence->calls ? sequence->calls : 1;
	struct stall_vm vm;
	uint64_t begin;
	int ret;

	stall_vm_init(&vm, backend, eventfds);
	ret = backend->create(&vm);
	if (ret)
		return ret;
	ret = sequence->prepare(&vm, with_doorbells);
	begin = clock_ns();
	if (!ret)
		ret = sequence->measured(&vm, with_doorbells);
	samples_add(samples, (double)(clock_ns() - begin) / 1e3 / calls);
	if (vm.backend)
		backend->close(&vm);
	return ret;
}

static int measure_plain(const void *arg, const int *eventfds,
			 struct samples *samples)
{
	return measure_sequence(arg, &stall_plain, true, eventfds, samples);
}

/* Measure the two kinds that do not stall. */
static int measure_unstalled(const struct sequence *sequence,
			     const int *eventfds, struct stall_samples *out)
{
	int ret = 0;

	if (stall_kinds.belfry)
		ret = measure_sequence(sequence, &stall_belfry, true, eventfds,
				       &out->belfry);
	if (ret || sequence->doorbells_only)
		return ret;
	return measure_sequence(sequence, &stall_plain, false, eventfds,
				&out->alone);
}

static int measure_on(const struct stall_row *row, const int *eventfds,
		      struct stall_samples *out)
{
	const struct sequence *sequence = row->arg;
	struct stall_samples unused = {0};
	int ret = stall_measure_plain(measure_plain, true, sequence, eventfds,
				      out);

	/* A stall leaves cold caches behind, so discard the next run. */
	if (!ret)
		ret = measure_unstalled(sequence, eventfds, &unused);
	if (!ret)
		ret = measure_unstalled(sequence, eventfds, out);
	samples_free(&unused.belfry);
	samples_free(&unused.alone);
	return ret;
}

static int measure(const struct stall_row *row, struct stall_samples *out)
{
	return stall_with_eventfds(row, out, measure_on);
}

/* Not every kernel stalls with plain ioctls. */
static bool is_nearly_alone(double plain, double belfry, double alone)
{
	return belfry <= 2 * alone &&
	       (plain - alone < STALL_NS / 1e3 || plain >= 20 * belfry);
}

bool stall_is_half_more(double plain, double belfry, double alone)
{
	return belfry <= 1.5 * alone;
}

static bool is_a_fifth_more(double plain, double belfry, double alone)
{
	return belfry <= 1.2 * alone;
}

static bool is_five_times_faster(double plain, double belfry, double alone)
{
	return plain >= 5 * belfry;
}

static bool is_two_us(double plain, double belfry, double alone)
{
	return belfry <= 2;
}

static const struct sequence one = {nothing, one_then_memory, 1, false};
static const struct sequence sixteen = {nothing, sixteen_then_memory, 1, false};
static const struct sequence in_turn = {nothing, interleaved, 1, false};
static const struct sequence reset = {nothing, reset_and_again, 1, false};
static const struct sequence removal = {assign_one, deassign_one, 1, true};
static const struct sequence close_one = {assign_one, close_vm, 1, false};
static const struct sequence close_many = {assign_many, close_vm, 1, false};
static const struct sequence vcpu = {assign_one, first_vcpu, 1, false};
static const struct sequence assigns = {nothing, assign_many, MANY, true};
static const struct sequence removals = {assign_many, deassign_many, MANY,
					 true};

const struct stall_row stall_sequences[] = {
	{"1 ioeventfd, memslot", "us", measure, &one, .module_most = 1.3,
	 .goal = "<= 2 x alone, <= plain / 20 where the kernel stalls",
	 .met = is_nearly_alone},
	{"16 ioeventfds, memslot", "us", measure, &sixteen, .goal = NULL},
	{"16 x (4 ioeventfds, memslot)", "us", measure, &in_turn,
	 .module_most = 1.5, .goal = "<= 1.5 x alone",
	 .met = stall_is_half_more},
	{"4 devices reset 8 times", "us", measure, &reset,
	 .goal = "<= plain / 5", .met = is_five_times_faster},
	{"deassign after assign", "us", measure, &removal, .goal = NULL},
	{"close after assign", "us", measure, &close_one, .module_most = 1.1,
	 .goal = NULL},
	{"close after 64 assigns", "us", measure, &close_many,
	 .goal = "<= 1.2 x alone", .met = is_a_fifth_more},
	{"first vCPU after assign", "us", measure, &vcpu, .goal = NULL},
	{"assign, each of 64", "us", measure, &assigns, .goal = "<= 2 us",
	 .met = is_two_us},
	{"deassign, each of 64", "us", measure, &removals, .goal = "<= 2 us",
	 .met = is_two_us},
	{0},
};
