// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "srcu_worker.h"

static bool is_worker(const char *task)
{
	char path[300], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	return !strcmp(name, "belfry-srcu\n");
}

unsigned int find_srcu_workers(pid_t *tid)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned int count = 0;

	while (dir && (entry = readdir(dir))) {
		if (is_worker(entry->d_name)) {
			*tid = atoi(entry->d_name);
			count++;
		}
	}
	if (dir)
		closedir(dir);
	return count;
}
