// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/kernel_module.h"

#define FOLDER "/sys/module/belfry/"

/* The first line of a file, or an empty text. */
static const char *file_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)size, file))
		*line = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

const char *kernel_module_describe(char *text, size_t size)
{
	char state[32], enabled[8], method[16], seen[24], promoted[24],
		marked[24];

	file_line(FOLDER "parameters/state", state, sizeof(state));
	file_line(FOLDER "parameters/enabled", enabled, sizeof(enabled));
	file_line(FOLDER "parameters/method", method, sizeof(method));
	file_line(FOLDER "counters/registrations", seen, sizeof(seen));
	file_line(FOLDER "counters/promoted", promoted, sizeof(promoted));
	file_line(FOLDER "counters/marked", marked, sizeof(marked));
	if (!*state)
		snprintf(text, size, "not loaded");
	else if (strcmp(state, "active"))
		snprintf(text, size, "%s", state);
	else if (*enabled == 'N')
		snprintf(text, size, "off");
	else
		snprintf(text, size,
			 "%s; since it was loaded %s registrations, %s grace "
			 "periods promoted, %s marked",
			 method, seen, promoted, marked);
	return text;
}
