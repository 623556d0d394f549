/* SPDX-License-Identifier: MIT */
/* Collection of the complete events, in order. */
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/trace/trace.h"
#include "tools/belfry/common/xalloc.h"

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Acquire pairs with the release in record_done(): the fields of an event are
 * read only after its kind.  Without the acquire the fields might be stale.
 */
static bool is_complete(const struct recorded_event *event)
{
	return atomic_load_explicit(&event->kind, memory_order_acquire) !=
	       RECORDED_NOTHING;
}

static void gather(struct trace *trace, const struct recorded_event *from,
		   uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (is_complete(&from[i]))
			trace->events[trace->nr_events++] = &from[i];
	}
}

/* Of two calls with the same start, the outer one comes first. */
static int by_start(const void *a, const void *b)
{
	const struct recorded_event *x = *(struct recorded_event *const *)a;
	const struct recorded_event *y = *(struct recorded_event *const *)b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	if (x->end_ns != y->end_ns)
		return x->end_ns > y->end_ns ? -1 : 1;
	return 0;
}

void trace_gather(struct trace *trace)
{
	struct recording *recording = trace->recording;
	uint64_t priority = least(recording->next_priority, RECORDING_PRIORITY);
	uint64_t others = least(recording->next_chunk, recording->chunks) *
			  RECORDING_CHUNK;

	trace->events =
		xgrow(NULL, 0, priority + others + 1, sizeof(*trace->events));
	gather(trace, recording->priority, priority);
	gather(trace, recording->events, others);
	qsort(trace->events, trace->nr_events, sizeof(*trace->events),
	      by_start);
}

void trace_free(struct trace *trace)
{
	free(trace->events);
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
