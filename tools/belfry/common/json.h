/* SPDX-License-Identifier: MIT */
/*
 * JSON objects that cannot fail: out of memory ends the process with one line.
 */
#ifndef BF_CLI_JSON_H
#define BF_CLI_JSON_H

#include <json-c/json.h>
#include <stdint.h>

struct json_object *json_new(void);
struct json_object *json_new_array(void);

/* Adds a member; takes over @value. */
void json_set(struct json_object *to, const char *key,
	      struct json_object *value);
/* What is not UTF-8 in @text becomes U+FFFD: such bytes are no JSON. */
void json_set_text(struct json_object *to, const char *key, const char *text);
void json_set_count(struct json_object *to, const char *key, uint64_t value);
void json_set_bool(struct json_object *to, const char *key, int value);
/* Nanoseconds as a number of microseconds, exact. */
void json_set_us(struct json_object *to, const char *key, uint64_t ns);

/* Adds to the end of an array; takes over @value. */
void json_push(struct json_object *to, struct json_object *value);
struct json_object *json_text(const char *text);
struct json_object *json_us(uint64_t ns);

#endif
