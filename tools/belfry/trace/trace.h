/* SPDX-License-Identifier: MIT */
/*
 * Conversion of a recording of belfry run to a trace or a page.  doc/trace.md
 * describes the format.
 */
#ifndef BF_CLI_TRACE_TRACE_H
#define BF_CLI_TRACE_TRACE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "preload/record/recording.h"
#include "preload/record/stats.h"

/* The member of the trace that other tools ignore, and its version. */
#define TRACE_MEMBER  "belfry"
#define TRACE_VERSION 2

struct trace {
	struct recording *recording; /* a copy without its events */
	const struct stats *stats;   /* a copy */
	const struct utsname *system;
	char **command;
	const char *policy;
	int status;	/* exit status of the command */
	uint64_t begin; /* start of the command, by CLOCK_MONOTONIC */
	uint64_t end;	/* end of the command */
	/* Complete events by start; a call precedes the calls inside it. */
	struct recorded_event *events;
	size_t nr_events;
};

/*
 * Copy a recording and its events.  The VMM may write to shared meanwhile, so
 * chunks is the number that the caller gave to it.
 */
void trace_gather(struct trace *trace, const struct recording *shared,
		  uint32_t chunks);
void trace_free(struct trace *trace);

/* Return nanoseconds since the start; 0 for an earlier time. */
uint64_t trace_time(const struct trace *trace, uint64_t ns);
uint64_t trace_end_of(const struct trace *trace,
		      const struct recorded_event *event);
bool trace_is_stall(const struct trace *trace,
		    const struct recorded_event *event);

/* Name the calls of a set of grace periods: "KVM_IOEVENTFD, ...". */
#define TRACE_GPS_SIZE 160 /* of all names */
void trace_name_gps(uint32_t gps, char *buf, size_t size);

/* Add the space, address, length and datamatch of a doorbell. */
void trace_set_doorbell(struct json_object *to,
			struct recorded_doorbell *doorbell);

/* Build trace events: an event, and the names of threads and processes. */
struct json_object *trace_event(const struct trace *trace,
				const struct recorded_event *event);
struct json_object *trace_thread_name(const struct trace *trace, uint32_t n);
struct json_object *trace_process_name(const struct trace *trace, uint32_t n);
uint32_t trace_threads(const struct trace *trace);

/* Build the member TRACE_MEMBER. */
struct json_object *trace_summary(const struct trace *trace);

/* Write a trace, at most as long as trace_most() bytes. */
void trace_write(const struct trace *trace, FILE *out);
size_t trace_most(uint32_t chunks);

#endif
