/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/report/read.h"
#include "tools/belfry/trace/trace.h"
#include "tools/belfry/common/xalloc.h"

#define COMMAND "report"

#define MIB  ((size_t)1 << 20)
#define MOST (512 * MIB)

struct text {
	char *bytes; /* followed by a zero */
	size_t length;
};

/* Read to the end of the file, which may have none: at most MOST + 1 bytes. */
static ssize_t load(int fd, struct text *text)
{
	size_t space = 1 << 16;
	ssize_t length;

	text->bytes = xgrow(NULL, 0, space + 1, 1);
	while ((length = read(fd, text->bytes + text->length,
			      space - text->length)) > 0) {
		text->length += (size_t)length;
		if (text->length < space || text->length > MOST)
			continue;
		text->bytes = xgrow(text->bytes, space + 1, 2 * space + 1, 1);
		space *= 2;
	}
	return length;
}

static bool load_file(int fd, const char *name, struct text *text)
{
	if (load(fd, text) < 0)
		cli_fail(COMMAND, "cannot read %s: %s", name, strerror(errno));
	else if (text->length > MOST)
		cli_fail(COMMAND, "%s is longer than %zu MiB: too long", name,
			 MOST / MIB);
	else
		return true;
	return false;
}

/* The tokener asks for more after a trace that lacks its last brace. */
static bool explain_error(struct json_tokener *tokener, const char *name)
{
	enum json_tokener_error error = json_tokener_get_error(tokener);

	if (error == json_tokener_success)
		return false;
	if (error == json_tokener_continue)
		cli_fail(COMMAND,
			 "%s is cut off: its JSON does not end: was belfry run"
			 " killed?",
			 name);
	else
		cli_fail(COMMAND, "%s is not a trace: %s at byte %zu", name,
			 json_tokener_error_desc(error),
			 json_tokener_get_parse_end(tokener));
	return true;
}

/* Returns true after a line if more than white space follows the JSON. */
static bool explain_rest(const char *name, const struct text *text, size_t end)
{
	end += strspn(text->bytes + end, " \t\r\n");
	if (end == text->length)
		return false;
	cli_fail(COMMAND,
		 "%s has data behind its JSON, at byte %zu: is it"
		 " damaged?",
		 name, end);
	return true;
}

static struct json_object *parse(const char *name, const struct text *text)
{
	struct json_tokener *tokener = xcheck(json_tokener_new());
	struct json_object *trace =
		json_tokener_parse_ex(tokener, text->bytes, (int)text->length);

	if (explain_error(tokener, name) ||
	    explain_rest(name, text, json_tokener_get_parse_end(tokener))) {
		json_object_put(trace);
		trace = NULL;
	}
	json_tokener_free(tokener);
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

struct json_object *trace_read(int fd, const char *name)
{
	struct json_object *trace = NULL;
	struct text text = {0};
	const char *fault;

	if (load_file(fd, name, &text))
		trace = parse(name, &text);
	free(text.bytes);
	fault = trace ? find_fault(trace) : NULL;
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
