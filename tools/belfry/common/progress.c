/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/progress.h"

#include <stdio.h>
#include <unistd.h>

#define ERASE_LINE "\r\033[K"

void progress_show(const char *what, unsigned long done, unsigned long total)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, ERASE_LINE "%s %lu/%lu", what, done, total);
}

void progress_clear(void)
{
	if (isatty(STDERR_FILENO))
		fputs(ERASE_LINE, stderr);
}
