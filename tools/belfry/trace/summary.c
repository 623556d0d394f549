/* SPDX-License-Identifier: MIT */
/* The member TRACE_MEMBER: totals, doorbells, and stalls avoided. */
#include <linux/kvm.h>
#include <stdlib.h>

#include "belfry/version.h"
#include "tools/belfry/common/json.h"
#include "preload/record/rows.h"
#include "tools/belfry/trace/trace.h"
#include "tools/belfry/common/xalloc.h"

/* Add a time, or null if ns is 0. */
static void set_moment(struct json_object *to, const char *key,
		       const struct trace *trace, uint64_t ns)
{
	json_set(to, key, ns ? json_us(trace_time(trace, ns)) : NULL);
}

static struct json_object *bucket_json(uint32_t n, uint64_t count)
{
	struct json_object *triple = json_new_array();

	json_push(triple, json_us(histogram_start(n)));
	json_push(triple, json_us(histogram_start(n + 1)));
	json_push(triple, xcheck(json_object_new_uint64(count)));
	return triple;
}

static struct json_object *histogram_json(struct histogram *histogram)
{
	struct json_object *array = json_new_array();

	for (uint32_t n = 0; n < HISTOGRAM_SIZE; n++) {
		if (histogram->count[n])
			json_push(array, bucket_json(n, histogram->count[n]));
	}
	return array;
}

/* Return the end of the bucket of the percentile: its upper bound. */
static uint64_t percentile(struct histogram *histogram, unsigned int percent)
{
	uint64_t all = 0, below = 0;
	uint32_t n;

	for (n = 0; n < HISTOGRAM_SIZE; n++)
		all += histogram->count[n];
	for (n = 0; n < HISTOGRAM_SIZE - 1; n++) {
		below += histogram->count[n];
		if (below * 100 >= all * percent)
			break;
	}
	return histogram_start(n + 1);
}

static void set_percentile(struct json_object *to, const char *key,
			   const struct trace *trace, size_t n,
			   unsigned int percent)
{
	uint64_t ns = percentile(&trace->recording->histograms[n], percent);
	uint64_t longest = trace->stats->calls[n].longest_ns;

	json_set_us(to, key, ns < longest ? ns : longest);
}

static struct json_object *call_json(const struct trace *trace, size_t n)
{
	const struct stats_call *counters = &trace->stats->calls[n];
	struct json_object *to = json_new();
	char name[64];

	call_name(counters->key, name, sizeof(name));
	json_set_text(to, "name", name);
	json_set_count(to, "calls", counters->calls);
	json_set_count(to, "errors", counters->errors);
	json_set_us(to, "total_us", counters->total_ns);
	set_percentile(to, "p50_us", trace, n, 50);
	set_percentile(to, "p90_us", trace, n, 90);
	set_percentile(to, "p99_us", trace, n, 99);
	json_set_us(to, "longest_us", counters->longest_ns);
	json_set_count(to, "stalls", counters->stalls);
	json_set_us(to, "stalled_us", counters->stalled_ns);
	json_set(to, "histogram",
		 histogram_json(&trace->recording->histograms[n]));
	return to;
}

/* For by_stalled_then_total(): qsort() passes no other argument. */
static const struct stats_call *sorted_calls;

static int by_stalled_then_total(const void *a, const void *b)
{
	const struct stats_call *x = &sorted_calls[*(const size_t *)a];
	const struct stats_call *y = &sorted_calls[*(const size_t *)b];

	if (x->stalled_ns != y->stalled_ns)
		return x->stalled_ns < y->stalled_ns ? 1 : -1;
	if (x->total_ns != y->total_ns)
		return x->total_ns < y->total_ns ? 1 : -1;
	return 0;
}

static struct json_object *calls_json(const struct trace *trace)
{
	struct json_object *array = json_new_array();
	size_t order[STATS_CALLS], count = 0;

	for (size_t n = 0; n < STATS_CALLS; n++) {
		if (trace->stats->calls[n].calls)
			order[count++] = n;
	}
	sorted_calls = trace->stats->calls;
	qsort(order, count, sizeof(order[0]), by_stalled_then_total);
	for (size_t i = 0; i < count; i++)
		json_push(array, call_json(trace, order[i]));
	return array;
}

/* Name the server of a doorbell, now or before it was deassigned. */
static const char *served_by(struct recorded_doorbell *doorbell)
{
	bool is_gone = doorbell->assigned <= doorbell->deassigned;

	if (doorbell->in_kernel || (is_gone && doorbell->installed))
		return "kernel";
	return doorbell->refused ? "user space, refused by the kernel" :
				   "user space";
}

static struct json_object *doorbell_json(const struct trace *trace,
					 struct recorded_doorbell *row)
{
	struct json_object *to = json_new();

	json_set_count(to, "vm", row->vm);
	trace_set_doorbell(to, row);
	json_set_text(to, "served_by", served_by(row));
	json_set_bool(to, "assigned_now", row->assigned > row->deassigned);
	json_set_count(to, "signals", row->signals);
	json_set_count(to, "assigned", row->assigned);
	json_set_count(to, "deassigned", row->deassigned);
	json_set_count(to, "never_installed", row->never_installed);
	json_set_count(to, "installed", row->installed);
	json_set_count(to, "refused", row->refused);
	set_moment(to, "assigned_us", trace, row->assigned_ns);
	set_moment(to, "first_signal_us", trace, row->first_signal_ns);
	set_moment(to, "installed_us", trace, row->installed_ns);
	return to;
}

static int by_assignment(const void *a, const void *b)
{
	const struct recorded_doorbell *x =
		*(struct recorded_doorbell *const *)a;
	const struct recorded_doorbell *y =
		*(struct recorded_doorbell *const *)b;

	if (x->vm != y->vm)
		return x->vm < y->vm ? -1 : 1;
	if (x->assigned_ns != y->assigned_ns)
		return x->assigned_ns < y->assigned_ns ? -1 : 1;
	return 0;
}

static struct json_object *doorbells_json(const struct trace *trace)
{
	static struct recorded_doorbell *rows[RECORDING_DOORBELLS];
	struct json_object *array = json_new_array();
	size_t count = 0;

	for (size_t i = 0; i < RECORDING_DOORBELLS; i++) {
		if (trace->recording->doorbells[i].id)
			rows[count++] = &trace->recording->doorbells[i];
	}
	qsort(rows, count, sizeof(rows[0]), by_assignment);
	for (size_t i = 0; i < count; i++)
		json_push(array, doorbell_json(trace, rows[i]));
	return array;
}

static struct json_object *vms_json(const struct trace *trace)
{
	struct json_object *array = json_new_array();
	uint64_t seen = trace->recording->vms_seen;

	for (uint64_t n = 0; n < seen && n < RECORDING_VMS; n++) {
		struct recorded_vm *row = &trace->recording->vms[n];
		struct json_object *to = json_new();

		json_set_count(to, "vm", n + 1);
		json_set_count(to, "pid", row->pid);
		set_moment(to, "first_run_us", trace, row->first_run_ns);
		set_moment(to, "ended_us", trace, row->ended_ns);
		json_push(array, to);
	}
	return array;
}

/*
 * Linux 6.18 and later defer the grace period of a registration to later calls;
 * before, the registration itself waited.
 */
static bool kernel_defers(const struct utsname *system)
{
	int major = 0, minor = 0;

	sscanf(system->release, "%d.%d", &major, &minor);
	return major > 6 || (major == 6 && minor >= 18);
}

static struct json_object *stalls_avoided(const struct trace *trace)
{
	uint64_t seen = trace->recording->vms_seen, sum = 0;

	if (!kernel_defers(trace->system))
		return NULL;
	for (uint64_t n = 0; n < seen && n < RECORDING_VMS; n++)
		sum += trace->recording->vms[n].stalls_avoided;
	return xcheck(json_object_new_uint64(sum));
}

/* Sum up the rows: a VMM that was killed left no sums of its own. */
static struct json_object *saved_json(const struct trace *trace)
{
	uint64_t assigned = 0, deassigned = 0, never_installed = 0;
	uint64_t installed = 0, refused = 0;
	struct json_object *to = json_new();

	for (size_t i = 0; i < RECORDING_DOORBELLS; i++) {
		struct recorded_doorbell *row = &trace->recording->doorbells[i];

		assigned += row->assigned;
		deassigned += row->deassigned;
		never_installed += row->never_installed;
		installed += row->installed;
		refused += row->refused;
	}
	json_set_count(to, "assigned", assigned);
	json_set_count(to, "deassigned", deassigned);
	json_set_count(to, "never_installed", never_installed);
	json_set_count(to, "installed", installed);
	json_set_count(to, "refused", refused);
	json_set(to, "stalls_avoided_estimate", stalls_avoided(trace));
	return to;
}

struct behind {
	uint64_t stalls;
	uint64_t ns;
};

static struct json_object *stalls_behind(uint32_t gps, const struct behind *sum)
{
	struct json_object *to = json_new();
	char names[TRACE_GPS_SIZE];

	trace_name_gps(gps, names, sizeof(names));
	json_set(to, "behind", gps ? json_text(names) : NULL);
	json_set_bool(to, "irqchip", (gps & ~GPS_OF_DOORBELLS) != 0);
	json_set_count(to, "stalls", sum->stalls);
	json_set_us(to, "stalled_us", sum->ns);
	return to;
}

static struct json_object *remaining_stalls(const struct trace *trace)
{
	struct behind sums[1u << NR_GPS] = {0};
	struct json_object *array = json_new_array();

	for (size_t i = 0; i < trace->nr_events; i++) {
		const struct recorded_event *event = &trace->events[i];

		if (!trace_is_stall(trace, event))
			continue;
		sums[event->gps].stalls++;
		sums[event->gps].ns +=
			trace_end_of(trace, event) - event->start_ns;
	}
	for (uint32_t gps = 0; gps < 1u << NR_GPS; gps++) {
		if (sums[gps].stalls)
			json_push(array, stalls_behind(gps, &sums[gps]));
	}
	return array;
}

static uint64_t excess(uint64_t seen, uint64_t room)
{
	return seen > room ? seen - room : 0;
}

static struct json_object *dropped_json(struct recording *recording)
{
	struct json_object *to = json_new();

	json_set_count(to, "events", recording->dropped);
	json_set_count(to, "priority_events",
		       excess(recording->next_priority, RECORDING_PRIORITY));
	json_set_count(to, "doorbells", recording->dropped_doorbells);
	json_set_count(to, "threads",
		       excess(recording->threads_seen, RECORDING_THREADS));
	json_set_count(to, "vms", excess(recording->vms_seen, RECORDING_VMS));
	return to;
}

static void set_run(struct json_object *to, const struct trace *trace)
{
	struct json_object *words = json_new_array();

	for (char **word = trace->command; *word; word++)
		json_push(words, json_text(*word));
	json_set(to, "command", words);
	json_set_text(to, "policy", trace->policy);
	json_set(to, "status", xcheck(json_object_new_int(trace->status)));
	json_set_text(to, "kernel", trace->system->release);
	json_set_us(to, "tick_us", stats_tick());
	json_set_us(to, "stall_us", STATS_STALL_NS);
	json_set_us(to, "end_us", trace_time(trace, trace->end));
	set_moment(to, "first_run_us", trace, trace->stats->first_run_ns);
	json_set_us(to, "stalled_before_run_us",
		    trace->stats->stalled_before_run_ns);
}

struct json_object *trace_summary(const struct trace *trace)
{
	struct json_object *to = json_new();

	json_set_count(to, "version", TRACE_VERSION);
	json_set_text(to, "belfry", BELFRY_VERSION);
	set_run(to, trace);
	json_set_count(to, "programs", trace->stats->loaded);
	json_set_count(to, "vms_passed_through", trace->stats->passed_through);
	json_set(to, "calls", calls_json(trace));
	json_set(to, "doorbells", doorbells_json(trace));
	json_set(to, "vms", vms_json(trace));
	json_set(to, "saved", saved_json(trace));
	json_set(to, "remaining_stalls", remaining_stalls(trace));
	json_set(to, "dropped", dropped_json(trace->recording));
	return to;
}
