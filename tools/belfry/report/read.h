/* SPDX-License-Identifier: MIT */
/* A trace from a file.  Nothing about the file is trusted. */
#ifndef BF_CLI_REPORT_READ_H
#define BF_CLI_REPORT_READ_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Read and parse a file of that name, of at most 512 MiB.  Returns a trace with
 * an array of events and the member TRACE_MEMBER, or NULL after one line on
 * stderr.
 */
struct json_object *trace_read(int fd, const char *name);

/*
 * Members of an object.  If from is no object, lacks the member, or has one of
 * another type, these return "", 0, false or NULL.
 */
const char *trace_text(struct json_object *from, const char *key);
double trace_number(struct json_object *from, const char *key);
uint64_t trace_count(struct json_object *from, const char *key);
bool trace_has(struct json_object *from, const char *key);
struct json_object *trace_member(struct json_object *from, const char *key);
size_t trace_length(struct json_object *from, const char *key);
struct json_object *trace_item(struct json_object *from, const char *key,
			       size_t n);

#endif
