/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/report/read.h"
#include "tools/belfry/trace/trace.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "report"

/* Read a whole file and append a zero.  Returns NULL with errno on failure. */
static char *load_stream(FILE *file, size_t *length)
{
	size_t space = 1 << 16, used = 0;
	char *text = xgrow(NULL, 0, space + 1, 1);

	errno = 0;
	while ((used += fread(text + used, 1, space - used, file)) == space) {
		text = xgrow(text, space + 1, 2 * space + 1, 1);
		space *= 2;
	}
	*length = used;
	if (!ferror(file))
		return text;
	free(text);
	return NULL;
}

static char *load_file(const char *name, size_t *length)
{
	FILE *file = fopen(name, "re");
	char *text = file ? load_stream(file, length) : NULL;

	if (!text)
		cli_fail(COMMAND, "cannot read %s: %s", name, strerror(errno));
	if (file)
		fclose(file);
	return text;
}

/* The tokener asks for more after a trace that lacks its last brace. */
static struct json_object *parse_text(const char *name, const char *text,
				      size_t length)
{
	struct json_tokener *tokener = xcheck(json_tokener_new());
	struct json_object *trace =
		json_tokener_parse_ex(tokener, text, (int)length);
	enum json_tokener_error error = json_tokener_get_error(tokener);

	if (error == json_tokener_continue)
		cli_fail(COMMAND,
			 "%s is cut off: its JSON does not end: was belfry run"
			 " killed?",
			 name);
	else if (error != json_tokener_success)
		cli_fail(COMMAND, "%s is not a trace: %s at byte %zu", name,
			 json_tokener_error_desc(error),
			 json_tokener_get_parse_end(tokener));
	json_tokener_free(tokener);
	return trace;
}

static struct json_object *parse_file(const char *name)
{
	const size_t most = INT32_MAX; /* the limit of json-c */
	struct json_object *trace = NULL;
	size_t length;
	char *text = load_file(name, &length);

	if (!text)
		return NULL;
	if (length > most)
		cli_fail(COMMAND, "%s is longer than 2 GiB: too long", name);
	else
		trace = parse_text(name, text, length);
	free(text);
	return trace;
}

/* Return why the trace cannot be printed, or NULL. */
static const char *find_fault(struct json_object *trace)
{
	struct json_object *about = trace_member(trace, TRACE_MEMBER);

	if (!json_object_is_type(trace_member(trace, "traceEvents"),
				 json_type_array))
		return "is not a trace: it has no traceEvents";
	if (!about)
		return "is a trace, but not one of belfry run";
	if (trace_count(about, "version") != TRACE_VERSION)
		return "is a trace of another version of belfry: record it again";
	return NULL;
}

struct json_object *trace_read(const char *name)
{
	struct json_object *trace = parse_file(name);
	const char *fault = trace ? find_fault(trace) : NULL;

	if (!fault)
		return trace;
	cli_fail(COMMAND, "%s %s", name, fault);
	json_object_put(trace);
	return NULL;
}

struct json_object *trace_member(struct json_object *from, const char *key)
{
	struct json_object *value = NULL;

	if (json_object_is_type(from, json_type_object))
		json_object_object_get_ex(from, key, &value);
	return value;
}

bool trace_has(struct json_object *from, const char *key)
{
	return trace_member(from, key) != NULL;
}

const char *trace_text(struct json_object *from, const char *key)
{
	struct json_object *value = trace_member(from, key);

	if (!json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

double trace_number(struct json_object *from, const char *key)
{
	return json_object_get_double(trace_member(from, key));
}

uint64_t trace_count(struct json_object *from, const char *key)
{
	return json_object_get_uint64(trace_member(from, key));
}

size_t trace_length(struct json_object *from, const char *key)
{
	struct json_object *array = trace_member(from, key);

	if (!json_object_is_type(array, json_type_array))
		return 0;
	return json_object_array_length(array);
}

struct json_object *trace_item(struct json_object *from, const char *key,
			       size_t n)
{
	return json_object_array_get_idx(trace_member(from, key), n);
}
