/* SPDX-License-Identifier: MIT */
/* Conversion of recorded events to events of Chrome's trace format. */
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>

#include "tools/belfry/common/json.h"
#include "preload/record/rows.h"
#include "tools/belfry/trace/trace.h"

uint32_t trace_threads(const struct trace *trace)
{
	uint64_t seen = trace->recording->threads_seen;

	return seen < RECORDING_THREADS ? (uint32_t)seen : RECORDING_THREADS;
}

/* A thread that found no room, or died before its first event, has id 0. */
static void set_thread(struct json_object *to, const struct trace *trace,
		       uint32_t n)
{
	struct recorded_thread *thread = NULL;

	if (n < trace_threads(trace))
		thread = &trace->recording->threads[n];
	json_set_count(to, "pid", thread ? thread->pid : 0);
	json_set_count(to, "tid", thread ? thread->tid : 0);
}

static struct json_object *name_event(const struct trace *trace, uint32_t n,
				      const char *kind)
{
	struct json_object *event = json_new(), *args = json_new();
	char name[sizeof(trace->recording->threads[n].name) + 1];

	snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1,
		 trace->recording->threads[n].name);
	json_set_text(event, "name", kind);
	json_set_text(event, "ph", "M");
	set_thread(event, trace, n);
	json_set_text(args, "name", name);
	json_set(event, "args", args);
	return event;
}

struct json_object *trace_thread_name(const struct trace *trace, uint32_t n)
{
	return name_event(trace, n, "thread_name");
}

/* A process has the name of its first thread; NULL for other threads. */
struct json_object *trace_process_name(const struct trace *trace, uint32_t n)
{
	const struct recorded_thread *threads = trace->recording->threads;

	for (uint32_t i = 0; i < n; i++) {
		if (threads[i].pid == threads[n].pid)
			return NULL;
	}
	return name_event(trace, n, "process_name");
}

static void set_hex(struct json_object *to, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	json_set_text(to, key, text);
}

static const char *space_of(uint32_t flags)
{
	if (flags & KVM_IOEVENTFD_FLAG_PIO)
		return "pio";
	return flags & KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY ? "ccw" : "mmio";
}

void trace_set_doorbell(struct json_object *to,
			struct recorded_doorbell *doorbell)
{
	json_set_text(to, "space", space_of(doorbell->flags));
	set_hex(to, "address", doorbell->addr);
	json_set_count(to, "length", doorbell->len);
	if (doorbell->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		set_hex(to, "datamatch", doorbell->datamatch);
}

static const char *name_of_instant(uint32_t kind)
{
	switch (kind) {
	case RECORDED_FIRST_RUN:
		return "first KVM_RUN";
	case RECORDED_ASSIGNED:
		return "doorbell assigned";
	case RECORDED_DEASSIGNED:
		return "doorbell deassigned";
	case RECORDED_SIGNALLED:
		return "doorbell signalled in user space, first time";
	case RECORDED_INSTALLED:
		return "doorbell installed";
	case RECORDED_REFUSED:
		return "doorbell refused by the kernel";
	}
	return "unknown";
}

static void set_vm(struct json_object *args, const struct recorded_event *event)
{
	if (event->vm)
		json_set_count(args, "vm", event->vm);
	if (event->vcpu != RECORDED_NO_VCPU)
		json_set_count(args, "vcpu", event->vcpu);
}

static void set_error(struct json_object *args, int error)
{
	const char *name = strerrorname_np(-error);

	if (error)
		json_set_text(args, "errno", name ? name : "unknown");
}

static void set_stall(struct json_object *args, uint32_t gps)
{
	char names[TRACE_GPS_SIZE];

	json_set_bool(args, "stall", 1);
	trace_name_gps(gps, names, sizeof(names));
	if (gps)
		json_set_text(args, "behind", names);
}

static void set_call(struct json_object *to, struct json_object *args,
		     const struct trace *trace,
		     const struct recorded_event *event)
{
	char name[64];

	call_name(event->key, name, sizeof(name));
	json_set_text(to, "name", name);
	if (event->kind == RECORDED_RUN) {
		json_set_text(to, "cat", "run");
		json_set_count(args, "calls", event->count);
	} else if (trace_is_stall(trace, event)) {
		json_set_text(to, "cat", "ioctl,stall");
		set_stall(args, event->gps);
	} else {
		json_set_text(to, "cat", "ioctl");
	}
	json_set_text(to, "ph", "X");
	json_set_us(to, "dur", trace_end_of(trace, event) - event->start_ns);
}

static void set_instant(struct json_object *to, struct json_object *args,
			const struct trace *trace,
			const struct recorded_event *event)
{
	json_set_text(to, "name", name_of_instant(event->kind));
	json_set_text(to, "cat",
		      event->kind == RECORDED_FIRST_RUN ? "run" : "doorbell");
	json_set_text(to, "ph", "i");
	json_set_text(to, "s", "t"); /* the scope is the thread */
	if (event->doorbell < RECORDING_DOORBELLS)
		trace_set_doorbell(
			args, &trace->recording->doorbells[event->doorbell]);
}

struct json_object *trace_event(const struct trace *trace,
				const struct recorded_event *event)
{
	struct json_object *to = json_new(), *args = json_new();

	set_vm(args, event);
	if (event->kind == RECORDED_CALL || event->kind == RECORDED_RUN)
		set_call(to, args, trace, event);
	else
		set_instant(to, args, trace, event);
	set_error(args, event->error);
	json_set_us(to, "ts", trace_time(trace, event->start_ns));
	set_thread(to, trace, event->thread);
	json_set(to, "args", args);
	return to;
}
