/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/util.h"
#include "base/text.h"

/* The length that the first byte announces; 0 if none begins with it. */
static size_t length_of(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead < 0xc0)
		return 0;
	if (lead < 0xe0)
		return 2;
	return lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
}

/* Overlong forms, surrogates, and values above U+10FFFF are no characters. */
static bool is_character(uint32_t c, size_t length)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	return c >= least[length] && c <= 0x10ffff && c >> 11 != 0xd800 >> 11;
}

size_t text_decode(const char *text, size_t size, uint32_t *c)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = length_of(bytes[0]);

	if (length > size)
		return 0;
	*c = length > 1 ? bytes[0] & (0x7fu >> length) : bytes[0];
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (bytes[i] & 0x3f);
	}
	return is_character(*c, length) ? length : 0;
}

size_t text_whole(const char *text, size_t size)
{
	for (size_t n = 1; n <= 3 && n <= size; n++) {
		const unsigned char byte = (unsigned char)text[size - n];

		if ((byte & 0xc0) != 0x80)
			return length_of(byte) > n ? size - n : size;
	}
	return size;
}

bool text_is_control(uint32_t c)
{
	static const uint32_t ranges[][2] = {
		{0, 0x1f},	  {0x7f, 0x9f},	    {0x61c, 0x61c},
		{0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	}
	return false;
}

void text_clean(char *text, size_t size, char except)
{
	size_t length;
	uint32_t c;

	for (size_t i = 0; i < size; i += length) {
		length = text_decode(text + i, size - i, &c);
		if (length &&
		    (!text_is_control(c) || (c && c == (uint8_t)except)))
			continue;
		length = length ? length : 1;
		memset(text + i, '?', length);
	}
}
