/* SPDX-License-Identifier: MIT */
/*
 * Text for a terminal.  Names come from a VMM, a file or the environment, and
 * a control character in one of them is a command to the terminal.
 */
#ifndef BF_TEXT_H
#define BF_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes the first character of @text, which has @size bytes, at least 1.
 * Returns its length and stores the character in *@c.  Returns 0: it is not
 * UTF-8, or it continues after the end of @text.
 */
size_t text_decode(const char *text, size_t size, uint32_t *c);

/* @size without a character at the end that the end of @text may cut. */
size_t text_whole(const char *text, size_t size);

/* Is @c a control character (C0, C1) or a mark that changes directions? */
bool text_is_control(uint32_t c);

/*
 * Replaces, by a question mark each, the bytes of control characters and the
 * bytes that are not UTF-8.  @except is a control character that stays, or 0.
 */
void text_clean(char *text, size_t size, char except);

#endif
