/* SPDX-License-Identifier: MIT */
/* What every layer uses and no header of libc has. */
#ifndef BF_UTIL_H
#define BF_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Begins the definition of the exported twin of an inline function. */
#define BF_EXPORT_INLINE(type, name, parameters)                     \
	__attribute__((visibility("default"))) type name parameters; \
	type name parameters

static inline bool bf_words_are_zero(const uint64_t *words, size_t count)
{
	while (count--)
		if (words[count])
			return false;
	return true;
}

/* The reserved words at the end of a description: they must be zero. */
#define bf_reserved_is_zero(array) bf_words_are_zero(array, ARRAY_SIZE(array))

#endif
