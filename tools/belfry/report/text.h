/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_REPORT_TEXT_H
#define BF_CLI_REPORT_TEXT_H

#include <json-c/json.h>
#include <stdio.h>

/* Print a trace of trace_read(). */
void trace_print(struct json_object *trace, FILE *out);

#endif
