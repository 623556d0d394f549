/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_TRACE_TEXT_H
#define BF_CLI_TRACE_TEXT_H

#include <json-c/json.h>
#include <stdio.h>

/* A trace of trace_read() as text. */
void trace_print(struct json_object *trace, FILE *out);

#endif
