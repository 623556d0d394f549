/* SPDX-License-Identifier: MIT */
/*
 * A trace is written event by event, so that a long one needs no more memory
 * than a short one.  The events come first, since ui.perfetto.dev stops at the
 * first member that it does not know.
 */
#include "tools/belfry/common/json.h"
#include "tools/belfry/trace/trace.h"
#include "tools/belfry/common/xalloc.h"

/* Write value and drop the reference to it. */
static void write_value(struct json_object *value, FILE *out)
{
	const char *text = json_object_to_json_string_ext(
		value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		xcheck(NULL);
	fputs(text, out);
	json_object_put(value);
}

struct list {
	bool begun;
	FILE *out;
};

static void write_item(struct list *list, struct json_object *value)
{
	if (!value)
		return;
	fputs(list->begun ? ",\n" : "\n", list->out);
	list->begun = true;
	write_value(value, list->out);
}

static void write_names(const struct trace *trace, struct list *list)
{
	for (uint32_t n = 0; n < trace_threads(trace); n++) {
		if (!trace->recording->threads[n].tid)
			continue;
		write_item(list, trace_process_name(trace, n));
		write_item(list, trace_thread_name(trace, n));
	}
}

void trace_write(const struct trace *trace, FILE *out)
{
	struct list list = {.out = out};

	fputs("{\"traceEvents\": [", out);
	write_names(trace, &list);
	for (size_t i = 0; i < trace->nr_events; i++)
		write_item(&list, trace_event(trace, &trace->events[i]));
	fputs("\n],\n\"displayTimeUnit\": \"ms\",\n\"" TRACE_MEMBER "\": ",
	      out);
	write_value(trace_summary(trace), out);
	fputs("}\n", out);
}

/* The longest event has about 350 bytes; tables and names are limited. */
size_t trace_most(uint32_t chunks)
{
	const size_t events =
		RECORDING_PRIORITY + (size_t)chunks * RECORDING_CHUNK;

	return ((size_t)64 << 20) + events * 1024;
}
