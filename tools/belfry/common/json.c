/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/xalloc.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

struct json_object *json_new(void)
{
	return xcheck(json_object_new_object());
}

struct json_object *json_new_array(void)
{
	return xcheck(json_object_new_array());
}

void json_set(struct json_object *to, const char *key,
	      struct json_object *value)
{
	if (json_object_object_add(to, key, value))
		xcheck(NULL);
}

struct json_object *json_text(const char *text)
{
	const size_t widest = strlen(REPLACEMENT);
	size_t size = strlen(text), length;
	char *clean = xgrow(NULL, 0, size + 1, widest);
	struct json_object *value;
	char *to = clean;
	uint32_t c;

	for (; size; size -= length, text += length) {
		length = text_decode(text, size, &c);
		to = mempcpy(to, length ? text : REPLACEMENT,
			     length ? length : widest);
		length = length ? length : 1;
	}
	value = xcheck(json_object_new_string(clean));
	free(clean);
	return value;
}

void json_set_text(struct json_object *to, const char *key, const char *text)
{
	json_set(to, key, json_text(text));
}

void json_set_count(struct json_object *to, const char *key, uint64_t value)
{
	json_set(to, key, xcheck(json_object_new_uint64(value)));
}

void json_set_bool(struct json_object *to, const char *key, int value)
{
	json_set(to, key, xcheck(json_object_new_boolean(value)));
}

struct json_object *json_us(uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%03u", ns / 1000,
		 (unsigned int)(ns % 1000));
	return xcheck(json_object_new_double_s((double)ns / 1e3, text));
}

void json_set_us(struct json_object *to, const char *key, uint64_t ns)
{
	json_set(to, key, json_us(ns));
}

void json_push(struct json_object *to, struct json_object *value)
{
	if (json_object_array_add(to, value))
		xcheck(NULL);
}

/* JSON has these characters only inside strings, where escapes are allowed. */
static bool needs_escape(uint32_t c, bool inside_page)
{
	if (inside_page && (c == '<' || c == '>' || c == '&'))
		return true;
	return text_is_control(c) && c != '\n';
}

void json_copy(const char *text, size_t size, bool inside_page, FILE *out)
{
	const uint32_t replacement = 0xfffd;
	size_t length, copied = 0;
	uint32_t c;

	for (size_t i = 0; i < size; i += length) {
		length = text_decode(text + i, size - i, &c);
		if (length && !needs_escape(c, inside_page))
			continue;
		cli_write(text + copied, i - copied, out);
		fprintf(out, "\\u%04x", length ? c : replacement);
		length = length ? length : 1;
		copied = i + length;
	}
	cli_write(text + copied, size - copied, out);
}

void json_print(struct json_object *value, FILE *out)
{
	const char *text = json_object_to_json_string_ext(
		value, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			       JSON_C_TO_STRING_NOSLASHESCAPE);

	if (!text)
		xcheck(NULL);
	json_copy(text, strlen(text), false, out);
	fputc('\n', out);
	json_object_put(value);
}
