/* SPDX-License-Identifier: MIT */
/* A trace that somebody has, of whom nothing is taken for granted. */
#ifndef BF_CLI_TRACE_READ_H
#define BF_CLI_TRACE_READ_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NULL: said in one line.  Else it has events and the member "belfry". */
struct json_object *trace_read(const char *name);

/* Members of what may have none, or others: "", 0, an empty array. */
const char *trace_text(struct json_object *from, const char *key);
double trace_number(struct json_object *from, const char *key);
uint64_t trace_count(struct json_object *from, const char *key);
bool trace_has(struct json_object *from, const char *key);
struct json_object *trace_member(struct json_object *from, const char *key);
size_t trace_length(struct json_object *from, const char *key);
struct json_object *trace_item(struct json_object *from, const char *key,
			       size_t n);

#endif
