/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/text.h"
#include "preload/common/config.h"
#include "preload/common/log.h"
#include "preload/seccomp/forbidden.h"

/* One write(2), so that the lines of several threads do not mix. */
void log_line(const char *format, ...)
{
	char line[256];
	va_list args;
	int len;

	if (thread_forbids(FORBIDDEN_WRITE))
		return;
	va_start(args, format);
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (len > (int)sizeof(line) - 2)
		len = (int)sizeof(line) - 2;
	text_clean(line, (size_t)len, 0);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		return; /* stderr may be closed; the program runs on */
}
