// SPDX-License-Identifier: MIT
/*
 * The cost of belfry where it gains nothing: calls that pass through the
 * preload library, and a signal of a doorbell that is in the kernel (signal.c).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/belfry/run/run.h"
#include "tools/belfry/stall/rows.h"

#define BATCH	2000 /* calls that are timed together */
#define BATCHES 15   /* of each kind, in turn; the fastest counts */

typedef int (*ioctl_fn)(int fd, unsigned long request, ...);

/*
 * Return ioctl() of the preload library, loaded into this process.  Without
 * shared counters the library would print a table when the process ends.
 */
static ioctl_fn preload_ioctl(void)
{
	static ioctl_fn found;
	struct run_counters counters;
	char path[PATH_MAX];
	void *library;

	if (found)
		return found;
	if (run_find_library(path) || run_share_stats(&counters) ||
	    setenv("BELFRY_STATS", counters.path, 1))
		return NULL;
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (library)
		found = (ioctl_fn)dlsym(library, "ioctl");
	return found;
}

/* A vCPU with one of the two ioctl() functions for its calls. */
struct idle_vcpu {
	ioctl_fn call;
	int kvm;
	int vm;
	int vcpu;
};

static int open_vcpu(struct idle_vcpu *vcpu, ioctl_fn call)
{
	vcpu->call = call;
	vcpu->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	vcpu->vm = call(vcpu->kvm, KVM_CREATE_VM, 0);
	vcpu->vcpu = call(vcpu->vm, KVM_CREATE_VCPU, 0);
	return vcpu->vcpu < 0 ? -errno : 0;
}

static void close_vcpu(struct idle_vcpu *vcpu)
{
	close(vcpu->vcpu);
	close(vcpu->vm);
	close(vcpu->kvm);
}

/*
 * Return the nanoseconds of a KVM_RUN that the kernel refuses for its argument
 * once it has found the vCPU.  Entering a guest would take a hundred times as
 * long as the difference to measure.
 */
static double time_run(const struct idle_vcpu *vcpu)
{
	uint64_t begin = clock_ns();

	for (int i = 0; i < BATCH; i++)
		vcpu->call(vcpu->vcpu, KVM_RUN, 1);
	return (double)(clock_ns() - begin) / BATCH;
}

/* The preload library does not time this call; the kernel refuses it, too. */
static double time_irq(const struct idle_vcpu *vcpu)
{
	uint64_t begin = clock_ns();

	for (int i = 0; i < BATCH; i++)
		vcpu->call(vcpu->vm, KVM_IRQ_LINE, 1);
	return (double)(clock_ns() - begin) / BATCH;
}

static double time_other(const struct idle_vcpu *vcpu)
{
	uint64_t begin = clock_ns();

	for (int i = 0; i < BATCH; i++)
		vcpu->call(vcpu->kvm, FIONCLEX);
	return (double)(clock_ns() - begin) / BATCH;
}

typedef double (*time_fn)(const struct idle_vcpu *vcpu);

static void time_in_turn(const struct idle_vcpu *plain,
			 const struct idle_vcpu *under, time_fn time,
			 struct stall_samples *out)
{
	struct samples fastest[2] = {0};

	for (int i = 0; i < BATCHES; i++) {
		samples_add(&fastest[0], time(plain));
		samples_add(&fastest[1], time(under));
	}
	samples_add(&out->plain, samples_min(&fastest[0]));
	samples_add(&out->belfry, samples_min(&fastest[1]));
	samples_free(&fastest[0]);
	samples_free(&fastest[1]);
}

static int measure_call(const struct stall_row *row, struct stall_samples *out)
{
	struct idle_vcpu plain = {0}, under = {0};
	const time_fn *time = row->arg;
	ioctl_fn call = preload_ioctl();
	int ret;

	if (!call)
		return -ELIBACC;
	ret = open_vcpu(&plain, ioctl);
	if (!ret)
		ret = open_vcpu(&under, call);
	if (!ret)
		time_in_turn(&plain, &under, *time, out);
	close_vcpu(&plain);
	close_vcpu(&under);
	return ret;
}

static bool is_a_twentieth_more(double plain, double belfry, double alone)
{
	return belfry <= 1.05 * plain;
}

static bool is_30_ns_more(double plain, double belfry, double alone)
{
	return belfry - plain <= 30;
}

static const time_fn run_time = time_run, irq_time = time_irq,
		     other_time = time_other;

const struct stall_row stall_overheads[] = {
	{"signal, once installed", "ns", stall_measure_signal,
	 .goal = "<= 1.05 x plain", .met = is_a_twentieth_more},
	{"KVM_RUN, to the vCPU and back", "ns", measure_call, &run_time,
	 .goal = "<= plain + 30 ns", .met = is_30_ns_more},
	{"KVM_IRQ_LINE, to the kernel and back", "ns", measure_call, &irq_time,
	 .goal = "<= plain + 30 ns", .met = is_30_ns_more},
	{"ioctl that is not KVM's", "ns", measure_call, &other_time,
	 .goal = "<= plain + 30 ns", .met = is_30_ns_more},
	{0},
};
