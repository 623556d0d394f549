/* SPDX-License-Identifier: MIT */
/* The likely causes of the stalls of a run. */
#include <linux/kvm.h>

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
	if (stall->gps & (1u << GP_DOORBELL | 1u << GP_ZONE))
		return CAUSE_DOORBELL;
	if (stall->gps || is_of_irqchip(stall->key))
		return CAUSE_IRQCHIP;
	return CAUSE_OTHER;
}

void compare_add_causes(struct compare_runs *runs, struct recording *recording,
			uint64_t end)
{
	struct trace trace = {.recording = recording, .end = end};
	double sums[NR_CAUSES] = {0};

	trace_gather(&trace);
	for (size_t i = 0; i < trace.nr_events; i++) {
		const struct recorded_event *event = trace.events[i];

		if (trace_is_stall(&trace, event))
			sums[cause_of(event)] +=
				(double)(trace_end_of(&trace, event) -
					 event->start_ns);
	}
	trace_free(&trace);
	for (size_t i = 0; i < NR_CAUSES; i++)
		samples_add(&runs->stalled_by[i], sums[i] / MS);
}
