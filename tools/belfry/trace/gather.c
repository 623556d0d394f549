/* SPDX-License-Identifier: MIT */
/*
 * Copies of the complete events, in order.  The recording belongs to a VMM that
 * may be hostile: each part is copied once, and only the copy is checked and
 * used.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/shared.h"
#include "tools/belfry/common/xalloc.h"
#include "tools/belfry/trace/trace.h"

#define MOST_ERRNO 4095

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Acquire pairs with the release in event_publish(): the copy reads the fields
 * of an event only after its kind.  Without the acquire the fields might be
 * stale.
 */
static bool is_complete(const struct recorded_event *event)
{
	return atomic_load_explicit(&event->kind, memory_order_acquire) !=
	       RECORDED_NOTHING;
}

/* Indexes are checked where they are used.  False: the event is none. */
static bool check_event(struct recorded_event *event)
{
	if (event->error > 0 || event->error < -MOST_ERRNO)
		event->error = 0;
	event->gps &= (1u << NR_GPS) - 1;
	return event->kind != RECORDED_NOTHING &&
	       event->kind <= RECORDED_REFUSED;
}

static void gather(struct trace *trace, const struct recorded_event *from,
		   uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		struct recorded_event *to = &trace->events[trace->nr_events];

		if (!is_complete(&from[i]))
			continue;
		shared_copy(to, &from[i], sizeof(*to));
		trace->nr_events += check_event(to);
	}
}

/* Of two calls with the same start, the outer one comes first. */
static int by_start(const void *a, const void *b)
{
	const struct recorded_event *x = a, *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns > y->end_ns ? -1 : 1;
	return 0;
}

void trace_gather(struct trace *trace, const struct recording *shared,
		  uint32_t chunks)
{
	uint64_t priority, others;

	trace->recording = xgrow(NULL, 0, 1, sizeof(*trace->recording));
	shared_copy(trace->recording, shared,
		    offsetof(struct recording, priority));
	priority = least(trace->recording->next_priority, RECORDING_PRIORITY);
	others = least(trace->recording->next_chunk, chunks) * RECORDING_CHUNK;
	trace->events =
		xgrow(NULL, 0, priority + others + 1, sizeof(*trace->events));
	gather(trace, shared->priority, priority);
	gather(trace, shared->events, others);
	qsort(trace->events, trace->nr_events, sizeof(*trace->events),
	      by_start);
}

void trace_free(struct trace *trace)
{
	free(trace->events);
	free(trace->recording);
	trace->recording = NULL;
	trace->events = NULL;
	trace->nr_events = 0;
}

uint64_t trace_time(const struct trace *trace, uint64_t ns)
{
	return ns > trace->begin ? ns - trace->begin : 0;
}

uint64_t trace_end_of(const struct trace *trace,
		      const struct recorded_event *event)
{
	uint64_t end = event->end_ns ? event->end_ns : trace->end;

	return end > event->start_ns ? end : event->start_ns;
}

bool trace_is_stall(const struct trace *trace,
		    const struct recorded_event *event)
{
	return event->kind == RECORDED_CALL &&
	       trace_end_of(trace, event) - event->start_ns > STATS_STALL_NS;
}

void trace_name_gps(uint32_t gps, char *buf, size_t size)
{
	static const char *const names[NR_GPS] = {
		[GP_DOORBELL] = "KVM_IOEVENTFD",
		[GP_ZONE] = "KVM_REGISTER_COALESCED_MMIO",
		[GP_IRQCHIP] = "KVM_CREATE_IRQCHIP",
		[GP_PIT] = "KVM_CREATE_PIT2",
		[GP_VGIC_ADDRESS] = "KVM_SET_DEVICE_ATTR",
		[GP_VGIC_VCPU] = "KVM_CREATE_VCPU",
		[GP_VGIC_RUN] = "the first KVM_RUN",
	};
	size_t used = 0;

	buf[0] = '\0';
	for (unsigned int i = 0; i < NR_GPS; i++) {
		if (gps & 1u << i && used < size)
			used += (size_t)snprintf(buf + used, size - used,
						 "%s%s", used ? ", " : "",
						 names[i]);
	}
}
