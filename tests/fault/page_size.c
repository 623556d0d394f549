// SPDX-License-Identifier: MIT
/*
 * Another page size for a program that is linked with --wrap=sysconf: that of
 * the environment variable TEST_PAGE_SIZE.
 */
#include <stdlib.h>
#include <unistd.h>

/* ThreadSanitizer calls sysconf() before it can record a function's entry. */
#if defined(__has_attribute)
#if __has_attribute(disable_sanitizer_instrumentation)
#define UNSANITIZED __attribute__((disable_sanitizer_instrumentation))
#endif
#endif
#ifndef UNSANITIZED
#define UNSANITIZED
#endif

long __real_sysconf(int name);
long __wrap_sysconf(int name);

UNSANITIZED long __wrap_sysconf(int name)
{
	const char *size = getenv("TEST_PAGE_SIZE");

	if (name != _SC_PAGESIZE || !size)
		return __real_sysconf(name);
	return strtol(size, NULL, 0);
}
