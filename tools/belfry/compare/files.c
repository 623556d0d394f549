/* SPDX-License-Identifier: MIT */
/*
 * The files that the command's code is in, kept in memory from its first run
 * on: what the disk takes, if it must be asked at all, is the same both ways,
 * and hides what is compared.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "tools/belfry/common/sleep.h"
#include "tools/belfry/common/xalloc.h"

#define LOOK_MS 5

struct compare_kept {
	void *start;
	size_t size;
};

/* What is mapped is not taken from the page cache. */
static void *map_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *start = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return start;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode)) {
		*size = (size_t)st.st_size;
		start = mmap(NULL, *size, PROT_READ, MAP_SHARED | MAP_POPULATE,
			     fd, 0);
	}
	close(fd);
	return start;
}

static void keep(struct compare_files *files, const char *path)
{
	struct compare_kept kept;

	kept.start = map_file(path, &kept.size);
	if (kept.start == MAP_FAILED)
		return;
	files->kept = xgrow(files->kept, files->count, files->count + 1,
			    sizeof(kept));
	files->kept[files->count++] = kept;
}

/* A line of /proc/PID/maps: the file, if code of it is mapped; else NULL. */
static char *code_file(char *line)
{
	char permissions[5];
	int path = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %4s %*s %*s %*s %n", permissions, &path) != 1 ||
	    permissions[2] != 'x' || line[path] != '/')
		return NULL;
	return line + path;
}

/* The parts of a file lie side by side. */
static void keep_files_of(struct compare_files *files, uint64_t pid)
{
	char name[32], line[PATH_MAX + 128], last[sizeof(line)] = "";
	const char *path;
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%u/maps", (unsigned int)pid);
	maps = fopen(name, "re");
	if (!maps)
		return;
	while (fgets(line, sizeof(line), maps)) {
		path = code_file(line);
		if (!path || !strcmp(path, last))
			continue;
		keep(files, path);
		strcpy(last, path);
	}
	fclose(maps);
}

/* At the first KVM_RUN, by which everything is loaded that was compared. */
static void *wait_and_keep(void *arg)
{
	struct compare_files *files = arg;
	uint64_t pid = 0;

	while (!pid && !atomic_load(&files->stop)) {
		sleep_ms(LOOK_MS);
		pid = atomic_load(&files->stats->first_run_pid);
	}
	if (pid)
		keep_files_of(files, pid);
	return NULL;
}

/* Signals are for the thread that passes them on. */
static int start_thread(struct compare_files *files)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&files->thread, NULL, wait_and_keep, files);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

void compare_files_begin(struct compare_files *files, const struct stats *stats)
{
	if (files->count)
		return;
	files->stats = stats;
	atomic_store(&files->stop, false);
	files->waits = !start_thread(files);
}

void compare_files_end(struct compare_files *files)
{
	if (!files->waits)
		return;
	atomic_store(&files->stop, true);
	pthread_join(files->thread, NULL);
	files->waits = false;
}

void compare_files_free(struct compare_files *files)
{
	while (files->count) {
		files->count--;
		munmap(files->kept[files->count].start,
		       files->kept[files->count].size);
	}
	free(files->kept);
}
