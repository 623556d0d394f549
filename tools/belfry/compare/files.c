/* SPDX-License-Identifier: MIT */
/*
 * The command's executable files stay mapped here after its first run, so that
 * they stay in the page cache.  Time of the disk is the same with each policy,
 * and would hide the difference.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/belfry/compare/internal.h"
#include "tools/belfry/common/sleep.h"
#include "tools/belfry/common/xalloc.h"

#define LOOK_MS 5
#define LONGEST ((off_t)1 << 28) /* bytes; a longer file is not kept */

struct compare_mapping {
	void *start;
	size_t size;
};

/*
 * The command chose the path.  To open a device or a FIFO may block or have
 * effects, so only a regular file is opened.
 */
static int open_regular(const char *path)
{
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
	char name[32];
	struct stat st;

	if (place < 0)
		return -1;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", place);
	if (!fstat(place, &st) && S_ISREG(st.st_mode))
		fd = open(name, O_RDONLY | O_CLOEXEC);
	close(place);
	return fd;
}

/* Mapped pages are the last ones that the kernel evicts. */
static void *map_file(const char *path, size_t *size)
{
	int fd = open_regular(path);
	void *start = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return start;
	if (!fstat(fd, &st) && st.st_size <= LONGEST) {
		*size = (size_t)st.st_size;
		start = mmap(NULL, *size, PROT_READ, MAP_SHARED | MAP_POPULATE,
			     fd, 0);
	}
	close(fd);
	return start;
}

static void add_mapping(struct compare_files *files, const char *path)
{
	struct compare_mapping mapping;

	mapping.start = map_file(path, &mapping.size);
	if (mapping.start == MAP_FAILED)
		return;
	files->mappings = xgrow(files->mappings, files->count, files->count + 1,
				sizeof(mapping));
	files->mappings[files->count++] = mapping;
}

/* Return the file of a line of /proc/PID/maps if it maps code, or NULL. */
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

/* Lines of the same file follow each other. */
static void map_files_of(struct compare_files *files, uint64_t pid)
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
		add_mapping(files, path);
		strcpy(last, path);
	}
	fclose(maps);
}

/* By the first KVM_RUN the command has loaded all that is compared. */
static void *wait_and_map(void *arg)
{
	struct compare_files *files = arg;
	uint64_t pid = 0;

	while (!pid && !atomic_load(&files->stop)) {
		sleep_ms(LOOK_MS);
		pid = atomic_load(&files->stats->first_run_pid);
	}
	if (pid)
		map_files_of(files, pid);
	return NULL;
}

/* Block signals: the main thread waits for them and forwards them. */
static int start_thread(struct compare_files *files)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&files->thread, NULL, wait_and_map, files);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

void compare_files_begin(struct compare_files *files, const struct stats *stats)
{
	if (files->count)
		return;
	files->stats = stats;
	atomic_store(&files->stop, false);
	files->started = !start_thread(files);
}

void compare_files_end(struct compare_files *files)
{
	if (!files->started)
		return;
	atomic_store(&files->stop, true);
	pthread_join(files->thread, NULL);
	files->started = false;
}

void compare_files_free(struct compare_files *files)
{
	while (files->count) {
		files->count--;
		munmap(files->mappings[files->count].start,
		       files->mappings[files->count].size);
	}
	free(files->mappings);
}
