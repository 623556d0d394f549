/* SPDX-License-Identifier: MIT */
/*
 * Construction of JSON objects.  No call fails: if memory runs out, the process
 * ends with one line.
 */
#ifndef BF_CLI_JSON_H
#define BF_CLI_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_object *json_new(void);
struct json_object *json_new_array(void);

/* Add a member.  The object takes over the reference to value. */
void json_set(struct json_object *to, const char *key,
	      struct json_object *value);
/* Bytes of text that are not UTF-8 become U+FFFD: JSON must be UTF-8. */
void json_set_text(struct json_object *to, const char *key, const char *text);
void json_set_count(struct json_object *to, const char *key, uint64_t value);
void json_set_bool(struct json_object *to, const char *key, int value);
/* Store nanoseconds as a number of microseconds, without rounding. */
void json_set_us(struct json_object *to, const char *key, uint64_t ns);

/* Append to an array, which takes over the reference to value. */
void json_push(struct json_object *to, struct json_object *value);
struct json_object *json_text(const char *text);
struct json_object *json_us(uint64_t ns);

/* Print value on lines of its own, and drop the reference to it. */
void json_print(struct json_object *value, FILE *out);

/*
 * Copy a part of a JSON text that may be an attack.  Control characters and
 * bytes that are not UTF-8 become escapes; inside a page also the characters of
 * tags.
 */
void json_copy(const char *text, size_t size, bool inside_page, FILE *out);

#endif
