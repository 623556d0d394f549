/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Return the length of a character from its first byte; 0 if it is none. */
static size_t utf8_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead < 0xe0)
		return 2;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/*
 * The first byte alone does not exclude overlong forms, surrogates and values
 * above U+10FFFF.
 */
static bool utf8_is_second(unsigned char lead, unsigned char second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second < 0xa0;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second < 0x90;
	}
	return true;
}

/* Return the length of the first character of text; 0 if it is not UTF-8. */
static size_t utf8_character(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = utf8_length(bytes[0]);

	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	}
	return length > 1 && !utf8_is_second(bytes[0], bytes[1]) ? 0 : length;
}

struct json_object *json_text(const char *text)
{
	const size_t widest = strlen(REPLACEMENT);
	char *clean = xgrow(NULL, 0, strlen(text) + 1, widest);
	struct json_object *value;
	char *to = clean;

	while (*text) {
		size_t length = utf8_character(text);

		to = mempcpy(to, length ? text : REPLACEMENT,
			     length ? length : widest);
		text += length ? length : 1;
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
