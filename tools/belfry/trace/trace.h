/* SPDX-License-Identifier: MIT */
/*
 * What belfry run recorded, on its way to a trace or a page.  doc/trace.md
 * describes what comes out.
 */
#ifndef BF_CLI_TRACE_TRACE_H
#define BF_CLI_TRACE_TRACE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "preload/record/recording.h"
#include "preload/record/stats.h"

/* The member of the trace that is belfry's own, and its version. */
#define TRACE_MEMBER  "belfry"
#define TRACE_VERSION 1

struct trace {
	struct recording *recording;
	struct stats *stats;
	char **command;
	const char *policy;
	int status;	/* of the command */
	uint64_t begin; /* CLOCK_MONOTONIC: when the command began ... */
	uint64_t end;	/* ... and ended */
	/* What was written to its end, by start; an outer one first. */
	const struct recorded_event **events;
	size_t nr_events;
};

/* Fills in the events. */
void trace_gather(struct trace *trace);
void trace_free(struct trace *trace);

/* Nanoseconds since the beginning; what was before it, is at it. */
uint64_t trace_time(const struct trace *trace, uint64_t ns);
uint64_t trace_end_of(const struct trace *trace,
		      const struct recorded_event *event);
bool trace_is_stall(const struct trace *trace,
		    const struct recorded_event *event);

/* "KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2": the calls that left the debts. */
void trace_name_debts(uint32_t debts, char *buf, size_t size);

/* The address, length and so on of a doorbell as members of @to. */
void trace_set_doorbell(struct json_object *to,
			struct recorded_doorbell *doorbell);

/* One event, and the names of threads and processes, as trace events. */
struct json_object *trace_event(const struct trace *trace,
				const struct recorded_event *event);
struct json_object *trace_thread_name(const struct trace *trace, uint32_t n);
struct json_object *trace_process_name(const struct trace *trace, uint32_t n);
uint32_t trace_threads(const struct trace *trace);

/* The member "belfry". */
struct json_object *trace_summary(const struct trace *trace);

/* All of it; inside a page, nothing in it looks like a tag. */
void trace_write(const struct trace *trace, bool inside_page, FILE *out);
void trace_write_page(const struct trace *trace, FILE *out);

#endif
