/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN.  A guest exits more often than anyone wants to see: calls of one
 * thread on one vCPU, a millisecond or less apart, are one event.
 */
#include <string.h>

#include "preload/record/record_doorbell.h"
#include "preload/record/record_event.h"
#include "preload/record/record_run.h"

#define relaxed memory_order_relaxed

#define TOGETHER_NS 1000000u

struct running {
	struct recorded_event *event; /* NULL: none that could go on */
	uint64_t stopped_ns;
};

static __thread struct running running;

static void first_run(struct record_who who, uint64_t now)
{
	struct recorded_vm *vm = record_vm_row(who.vm);
	uint64_t never = 0;

	if (!vm || atomic_load_explicit(&vm->first_run_ns, relaxed))
		return;
	if (atomic_compare_exchange_strong_explicit(&vm->first_run_ns, &never,
						    now, relaxed, relaxed))
		record_instant(RECORDED_FIRST_RUN, who, RECORDED_NO_DOORBELL, 0,
			       now);
}

static bool goes_on(struct record_who who, uint64_t now)
{
	const struct recorded_event *event = running.event;

	return event && event->vm == who.vm && event->vcpu == who.vcpu &&
	       now - running.stopped_ns <= TOGETHER_NS;
}

static struct recorded_event *begin(struct record_who who, uint64_t now)
{
	struct recorded_event *event = record_event(false, who);

	if (!event)
		return NULL;
	event->key = KVM_RUN;
	event->start_ns = now;
	atomic_store_explicit(&event->count, 0, relaxed);
	return event;
}

void record_run_start(const struct object_vcpu *vcpu)
{
	const struct record_who who = {vcpu->vm->vm.number, vcpu->id};
	uint64_t now = stats_now();

	first_run(who, now);
	if (!goes_on(who, now))
		running.event = begin(who, now);
	if (!running.event)
		return;
	atomic_fetch_add_explicit(&running.event->count, 1, relaxed);
	atomic_store_explicit(&running.event->end_ns, 0, relaxed);
	record_done(running.event, RECORDED_RUN);
}

void record_run_stop(void)
{
	if (!running.event)
		return;
	running.stopped_ns = stats_now();
	atomic_store_explicit(&running.event->end_ns, running.stopped_ns,
			      relaxed);
}

void record_forget_run(void)
{
	running = (struct running){0};
}

/* As the kernel's little-endian comparison sees it. */
static uint64_t value_of(const void *data, uint32_t len)
{
	uint64_t value = 0;

	memcpy(&value, data, len <= sizeof(value) ? len : sizeof(value));
	return value;
}

static void ring_mmio(struct recorded_key *write, const struct kvm_run *run,
		      uint32_t vcpu)
{
	write->addr = run->mmio.phys_addr;
	write->len = run->mmio.len;
	write->datamatch = value_of(run->mmio.data, write->len);
	record_ring(write, vcpu);
}

/* Each element of a string rings for itself. */
static void ring_port(struct recorded_key *write, const struct kvm_run *run,
		      uint32_t vcpu)
{
	const char *data = (const char *)run + run->io.data_offset;

	write->addr = run->io.port;
	write->len = run->io.size;
	write->flags = KVM_IOEVENTFD_FLAG_PIO;
	for (uint32_t i = 0; i < run->io.count; i++, data += write->len) {
		write->datamatch = value_of(data, write->len);
		record_ring(write, vcpu);
	}
}

void record_rings(const struct object_vcpu *vcpu)
{
	struct recorded_key write = {.vm = vcpu->vm->vm.number};

	if (vcpu->page->exit_reason == KVM_EXIT_MMIO)
		ring_mmio(&write, vcpu->page, vcpu->id);
	else
		ring_port(&write, vcpu->page, vcpu->id);
}
