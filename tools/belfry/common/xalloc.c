/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"

void *xcheck(void *p)
{
	if (p)
		return p;
	fputs("belfry: out of memory\n", stderr);
	exit(CLI_FAILURE);
}

void *xgrow(void *old, size_t old_count, size_t count, size_t size)
{
	char *p = xcheck(reallocarray(old, count, size));

	memset(p + old_count * size, 0, (count - old_count) * size);
	return p;
}

char *xstrdup(const char *text)
{
	return xcheck(strdup(text));
}

char *xasprintf(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return xcheck(text);
}
