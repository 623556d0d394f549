/* SPDX-License-Identifier: MIT */
/* The likely causes of the stalls of a run. */
#include <linux/kvm.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/confine.h"
#include "tools/belfry/compare/internal.h"
#include "tools/belfry/trace/trace.h"

#define MS 1e6

/* Does the call create the irqchip, or change its routes or inputs? */
static bool is_of_irqchip(uint32_t key)
{
	switch (key) {
	case KVM_CREATE_IRQCHIP:
	case KVM_CREATE_PIT2:
	case KVM_SET_GSI_ROUTING:
	case KVM_SET_IRQCHIP:
	case KVM_IRQFD:
	case STATS_CREATE_VGIC:
	case STATS_PLACE_REDIST:
	case STATS_PLACE_ITS:
		return true;
	}
	return false;
}

/*
 * A stall behind a doorbell counts as the doorbell's, even if an irqchip left a
 * grace period as well: without the irqchip the call would have stalled too.
 */
static enum compare_cause cause_of(const struct recorded_event *stall)
{
	if (stall->gps & GPS_OF_DOORBELLS)
		return CAUSE_DOORBELL;
	if (stall->gps || is_of_irqchip(stall->key))
		return CAUSE_IRQCHIP;
	return CAUSE_OTHER;
}

struct reading {
	const struct run_recording *shared;
	uint64_t end;
	size_t taken;
	uint64_t stalled_ns[NR_CAUSES]; /* by cause; the output of the child */
};

static int sum_stalls(void *arg, FILE *out)
{
	const struct reading *reading = arg;
	struct trace trace = {.end = reading->end};
	uint64_t sums[NR_CAUSES] = {0};

	trace_gather(&trace, reading->shared->recording,
		     reading->shared->chunks);
	for (size_t i = 0; i < trace.nr_events; i++) {
		const struct recorded_event *event = &trace.events[i];

		if (trace_is_stall(&trace, event))
			sums[cause_of(event)] +=
				trace_end_of(&trace, event) - event->start_ns;
	}
	trace_free(&trace);
	fwrite(sums, sizeof(sums), 1, out);
	return CLI_OK;
}

/* confine() gives no more than the size of the sums. */
static void take_sums(void *arg, char *bytes, size_t size)
{
	struct reading *reading = arg;

	memcpy((char *)reading->stalled_ns + reading->taken, bytes, size);
	reading->taken += size;
}

int compare_add_causes(struct compare_runs *runs,
		       const struct run_recording *shared, uint64_t end)
{
	struct reading reading = {.shared = shared, .end = end};
	const struct confined_task task = {
		.command = "compare",
		.subject = "the recording",
		.input = -1,
		.most = sizeof(reading.stalled_ns),
		.run = sum_stalls,
		.take = take_sums,
		.arg = &reading,
	};

	if (confine(&task))
		return CLI_FAILURE;
	for (size_t i = 0; i < NR_CAUSES; i++)
		samples_add(&runs->stalled_by[i],
			    (double)reading.stalled_ns[i] / MS);
	return CLI_OK;
}
