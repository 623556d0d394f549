/* SPDX-License-Identifier: MIT */
/*
 * A trace as text.  Names come from the VMM or from any writer of the file.
 * Control characters are replaced, and long names are cut, since one of them
 * makes each row of its table as long.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/report/read.h"
#include "tools/belfry/report/text.h"
#include "tools/belfry/trace/trace.h"
#include "tools/belfry/common/xalloc.h"

#define MS	1e3
#define LONGEST 200 /* bytes of a name in a table */

static char *clean(const char *text)
{
	char *copy = xstrdup(text);

	text_clean(copy, strlen(copy), 0);
	return copy;
}

/* A copy in a table. */
static char *cut(const char *text)
{
	size_t length = strlen(text);

	if (length <= LONGEST)
		return xstrdup(text);
	return xasprintf("%.*s...", (int)text_whole(text, LONGEST), text);
}

static void set_text(struct report *report, const char *key, const char *text)
{
	char *copy = cut(text);

	report_text(report, key, copy);
	free(copy);
}

static void begin_row(struct report *report, const char *name, const char *unit)
{
	char *copy = cut(name);

	report_row(report, copy, unit);
	free(copy);
}

/* Add a time in ms; the table shows "-" if the trace has none. */
static void set_moment(struct report *report, const char *key,
		       struct json_object *from, const char *member)
{
	report_number(report, key, "%.3f",
		      trace_has(from, member) ?
			      trace_number(from, member) / MS :
			      NAN);
}

static void print_command(struct json_object *about, FILE *out)
{
	for (size_t n = 0; n < trace_length(about, "command"); n++) {
		struct json_object *word = trace_item(about, "command", n);
		char *copy = clean(word ? json_object_get_string(word) : "");

		fprintf(out, "%s%s", n ? " " : "", copy);
		free(copy);
	}
	fputc('\n', out);
}

static void print_head(struct json_object *about, FILE *out)
{
	char *policy = clean(trace_text(about, "policy"));
	char *kernel = clean(trace_text(about, "kernel"));

	print_command(about, out);
	fprintf(out, "policy %s, Linux %s, exit status %" PRIu64 ", %.1f ms",
		policy, kernel, trace_count(about, "status"),
		trace_number(about, "end_us") / MS);
	if (trace_has(about, "first_run_us"))
		fprintf(out,
			"; first KVM_RUN after %.1f ms, of that %.1f ms"
			" stalled",
			trace_number(about, "first_run_us") / MS,
			trace_number(about, "stalled_before_run_us") / MS);
	fputc('\n', out);
	free(policy);
	free(kernel);
}

static bool is_stall(struct json_object *event)
{
	return json_object_get_boolean(
		trace_member(trace_member(event, "args"), "stall"));
}

static void stall_row(struct report *report, struct json_object *event)
{
	struct json_object *args = trace_member(event, "args");

	begin_row(report, trace_text(event, "name"), "ms");
	report_number(report, "at", "%.3f", trace_number(event, "ts") / MS);
	report_number(report, "took", "%.3f", trace_number(event, "dur") / MS);
	report_count(report, "VM", trace_count(args, "vm"));
	report_count(report, "thread", trace_count(event, "tid"));
	set_text(report, "behind", trace_text(args, "behind"));
}

static void print_rows(struct report *report, bool any, const char *heading,
		       const char *nothing, FILE *out)
{
	fprintf(out, "\n%s\n", any ? heading : nothing);
	if (any)
		report_print(report, out);
	report_free(report);
}

static void print_stalls(struct json_object *trace, FILE *out)
{
	struct report *report = report_new(false);
	bool any = false;

	for (size_t n = 0; n < trace_length(trace, "traceEvents"); n++) {
		struct json_object *event = trace_item(trace, "traceEvents", n);

		if (!is_stall(event))
			continue;
		stall_row(report, event);
		any = true;
	}
	print_rows(report, any, "Stalls, in the order of their start",
		   "No stall.", out);
}

static void call_row(struct report *report, struct json_object *call)
{
	begin_row(report, trace_text(call, "name"), "us");
	report_count(report, "calls", trace_count(call, "calls"));
	report_number(report, "total", "%.1f", trace_number(call, "total_us"));
	report_number(report, "p50", "%.1f", trace_number(call, "p50_us"));
	report_number(report, "p90", "%.1f", trace_number(call, "p90_us"));
	report_number(report, "p99", "%.1f", trace_number(call, "p99_us"));
	report_number(report, "longest", "%.1f",
		      trace_number(call, "longest_us"));
	report_count(report, "stalls", trace_count(call, "stalls"));
	report_number(report, "stalled", "%.1f",
		      trace_number(call, "stalled_us"));
	report_count(report, "errors", trace_count(call, "errors"));
}

static void print_calls(struct json_object *about, FILE *out)
{
	struct report *report = report_new(false);
	size_t count = trace_length(about, "calls");

	for (size_t n = 0; n < count; n++)
		call_row(report, trace_item(about, "calls", n));
	print_rows(report, count, "Calls", "No KVM call.", out);
}

static void doorbell_row(struct report *report, struct json_object *row)
{
	char name[128];

	snprintf(name, sizeof(name), "VM %" PRIu64 " %s %s +%" PRIu64 "%s%s",
		 trace_count(row, "vm"), trace_text(row, "space"),
		 trace_text(row, "address"), trace_count(row, "length"),
		 trace_has(row, "datamatch") ? " = " : "",
		 trace_text(row, "datamatch"));
	begin_row(report, name, "ms");
	report_count(report, "signals", trace_count(row, "signals"));
	set_moment(report, "assigned", row, "assigned_us");
	set_moment(report, "first signal", row, "first_signal_us");
	set_moment(report, "installed", row, "installed_us");
	report_count(report, "deassigned", trace_count(row, "deassigned"));
	set_text(report, "served by", trace_text(row, "served_by"));
}

static void print_doorbells(struct json_object *about, FILE *out)
{
	struct report *report = report_new(false);
	size_t count = trace_length(about, "doorbells");

	for (size_t n = 0; n < count; n++)
		doorbell_row(report, trace_item(about, "doorbells", n));
	print_rows(report, count,
		   "Doorbells; only signals in user space are counted",
		   "No doorbell.", out);
}

static void print_saved(struct json_object *about, FILE *out)
{
	struct json_object *saved = trace_member(about, "saved");

	fprintf(out,
		"\nDoorbells: %" PRIu64 " assigned, %" PRIu64
		" deassigned (%" PRIu64 " never installed), %" PRIu64
		" installed in the kernel, %" PRIu64 " refused by the kernel\n",
		trace_count(saved, "assigned"),
		trace_count(saved, "deassigned"),
		trace_count(saved, "never_installed"),
		trace_count(saved, "installed"), trace_count(saved, "refused"));
	if (trace_has(saved, "stalls_avoided_estimate"))
		fprintf(out,
			"Stalls avoided, an estimate: %" PRIu64
			" (calls right after a registration that belfry"
			" deferred)\n",
			trace_count(saved, "stalls_avoided_estimate"));
}

static void print_remaining(struct json_object *about, FILE *out)
{
	for (size_t n = 0; n < trace_length(about, "remaining_stalls"); n++) {
		struct json_object *entry =
			trace_item(about, "remaining_stalls", n);
		char *behind = clean(trace_text(entry, "behind"));

		fprintf(out,
			"Not avoided: %" PRIu64 " stalls, %.1f ms, %s%s%s\n",
			trace_count(entry, "stalls"),
			trace_number(entry, "stalled_us") / MS,
			*behind ? "behind " : "without a known cause", behind,
			trace_count(entry, "irqchip") ?
				": user space cannot avoid those of the"
				" in-kernel irqchip" :
				"");
		free(behind);
	}
}

static void print_dropped(struct json_object *about, FILE *out)
{
	struct json_object *dropped = trace_member(about, "dropped");

	json_object_object_foreach(dropped, key, value)
	{
		char *what = clean(key);

		if (json_object_get_uint64(value))
			fprintf(out, "No room: %" PRIu64 " %s\n",
				json_object_get_uint64(value), what);
		free(what);
	}
}

void trace_print(struct json_object *trace, FILE *out)
{
	struct json_object *about = trace_member(trace, TRACE_MEMBER);

	print_head(about, out);
	print_stalls(trace, out);
	print_calls(about, out);
	print_doorbells(about, out);
	print_saved(about, out);
	print_remaining(about, out);
	if (json_object_is_type(trace_member(about, "dropped"),
				json_type_object))
		print_dropped(about, out);
}
