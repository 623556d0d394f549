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

/* The reserved words at the end of a description: they must be zero. */
static inline bool bf_reserved_is_zero(const uint64_t reserved[4])
{
	return !(reserved[0] | reserved[1] | reserved[2] | reserved[3]);
}

#endif
