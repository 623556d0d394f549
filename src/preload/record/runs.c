/* SPDX-License-Identifier: MIT */
/*
 * KVM_RUN.  One event covers the calls that a thread makes on one vCPU with at
 * most a millisecond between them: one event for each exit would flood the
 * trace.
 */
#include <string.h>

#include "preload/record/internal.h"

#define MAX_GAP_NS 1000000u

struct open_run {
	struct recorded_event *event; /* NULL: none */
	uint64_t ended_ns;	      /* of its last call */
};

static __thread struct open_run open_run;

static void note_first_run(struct record_who who, uint64_t now)
{
	struct recorded_vm *vm = recorded_vm_row(who.vm);

	if (!vm || !relaxed_set_once(&vm->first_run_ns, now))
		return;
	pending_gp_note_call(who.vm, KVM_RUN, now, now, 0);
	event_add_instant(RECORDED_FIRST_RUN, who, RECORDED_NO_DOORBELL, 0,
			  now);
}

static bool continues_run(struct record_who who, uint64_t now)
{
	const struct recorded_event *event = open_run.event;

	return event && event->vm == who.vm && event->vcpu == who.vcpu &&
	       now - open_run.ended_ns <= MAX_GAP_NS;
}

static struct recorded_event *start_run(struct record_who who, uint64_t now)
{
	struct recorded_event *event = event_alloc(false, who);

	if (!event)
		return NULL;
	event->key = KVM_RUN;
	event->start_ns = now;
	relaxed_store(&event->count, 0);
	return event;
}

void recording_begin_run(struct record_who who)
{
	uint64_t now = bf_now_ns();

	note_first_run(who, now);
	if (!continues_run(who, now))
		open_run.event = start_run(who, now);
	if (!open_run.event)
		return;
	relaxed_add(&open_run.event->count, 1);
	relaxed_store(&open_run.event->end_ns, 0);
	event_publish(open_run.event, RECORDED_RUN);
}

void recording_end_run(void)
{
	if (!open_run.event)
		return;
	open_run.ended_ns = bf_now_ns();
	relaxed_store(&open_run.event->end_ns, open_run.ended_ns);
}

void run_forget(void)
{
	open_run = (struct open_run){0};
}

/* Little-endian, as the kernel compares the data with the datamatch. */
static uint64_t read_data(const void *data, uint32_t len)
{
	uint64_t value = 0;

	memcpy(&value, data, len <= sizeof(value) ? len : sizeof(value));
	return value;
}

static void add_mmio_signal(struct recorded_key *write,
			    const struct kvm_run *run, uint32_t vcpu)
{
	write->addr = run->mmio.phys_addr;
	write->len = run->mmio.len;
	write->datamatch = read_data(run->mmio.data, write->len);
	doorbell_add_signal(write, vcpu);
}

/* Each element of a string is a write of its own. */
static void add_port_signals(struct recorded_key *write,
			     const struct kvm_run *run, uint32_t vcpu)
{
	const char *data = (const char *)run + run->io.data_offset;

	write->addr = run->io.port;
	write->len = run->io.size;
	write->flags = KVM_IOEVENTFD_FLAG_PIO;
	for (uint32_t i = 0; i < run->io.count; i++, data += write->len) {
		write->datamatch = read_data(data, write->len);
		doorbell_add_signal(write, vcpu);
	}
}

void record_exit(struct record_who who, const struct kvm_run *run)
{
	struct recorded_key write = {.vm = who.vm};

	if (!recording)
		return;
	if (run->exit_reason == KVM_EXIT_MMIO)
		add_mmio_signal(&write, run, who.vcpu);
	else
		add_port_signals(&write, run, who.vcpu);
}
