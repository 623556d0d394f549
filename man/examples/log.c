// SPDX-License-Identifier: MIT
#include <stdio.h>

#include <belfry/log.h>

/*
 * The messages of the library go to a file:
 */
static void log_line(void *opaque, const char *text)
{
	fputs(text, opaque);
}

void log_to(FILE *file)
{
	bf_set_log(log_line, file);
}
