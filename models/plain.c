// SPDX-License-Identifier: MIT
/*
 * The functions that a compiler calls before each plain access with
 * -fsanitize=thread.  The models are compiled with it and not linked with
 * ThreadSanitizer, so that the machine sees the accesses in its place.
 */
#include <string.h>

#include "machine.h"

#define ACCESS(name, size, write)                     \
	void __tsan_##name##size(const void *memory); \
	void __tsan_##name##size(const void *memory)  \
	{                                             \
		machine_plain(memory, size, write);   \
	}

#define ACCESSES(size)                      \
	ACCESS(read, size, false)           \
	ACCESS(write, size, true)           \
	ACCESS(unaligned_read, size, false) \
	ACCESS(unaligned_write, size, true)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

#define RANGE(name, write)                                           \
	void __tsan_##name##_range(const void *memory, size_t size); \
	void __tsan_##name##_range(const void *memory, size_t size)  \
	{                                                            \
		machine_plain(memory, size, write);                  \
	}

RANGE(read, false)
RANGE(write, true)

#define IGNORED(name)            \
	void name(void *unused); \
	void name(void *unused)  \
	{                        \
	}

IGNORED(__tsan_init)
IGNORED(__tsan_func_entry)
IGNORED(__tsan_func_exit)

void *machine_copy(void *to, const void *from, size_t size)
{
	machine_plain(from, size, false);
	machine_plain(to, size, true);
	return memcpy(to, from, size);
}

void *machine_set(void *to, int byte, size_t size)
{
	machine_plain(to, size, true);
	return memset(to, byte, size);
}
