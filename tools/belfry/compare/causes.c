/* SPDX-License-Identifier: MIT */
/* Whose the stalls of a run were. */
#include <linux/kvm.h>

#include "compare.h"
#include "tools/belfry/trace/trace.h"

#define MS 1e6

/* Calls that make the irqchip, or change its routes and inputs. */
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

/* A wait for the debts of both would have been one without the irqchip. */
static enum compare_cause cause_of(const struct recorded_event *stall)
{
	if (stall->debts & (1u << DEBT_DOORBELL | 1u << DEBT_ZONE))
		return CAUSE_DOORBELL;
	if (stall->debts || is_of_irqchip(stall->key))
		return CAUSE_IRQCHIP;
	return CAUSE_OTHER;
}

void compare_take_causes(struct compare_way *way, struct recording *recording,
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
		samples_add(&way->behind[i], sums[i] / MS);
}
