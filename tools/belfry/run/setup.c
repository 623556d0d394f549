/* SPDX-License-Identifier: MIT */
/* The environment of the command: library, counters and settings. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/shared.h"
#include "tools/belfry/run/run.h"
#include "belfry/front.h"

#define LIBRARY "libbelfry-preload.so"

/* Store the folder of the running executable, or "" if it is unknown. */
static void executable_folder(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
}

/*
 * In the build tree the path from the tool to the library is fixed.  An
 * installed tool, in bin/, must not look there: beside /usr/local/bin it would
 * be /usr/local/src.
 */
static bool find_built(char *path)
{
	char folder[PATH_MAX], file[2 * PATH_MAX];
	const char *name;

	executable_folder(folder, sizeof(folder));
	name = strrchr(folder, '/');
	if (!name || strcmp(name + 1, BELFRY_BUILT_FOLDER) != 0)
		return false;
	snprintf(file, sizeof(file), "%s/" BELFRY_BUILT_PRELOAD_DIR "/" LIBRARY,
		 folder);
	return realpath(file, path) != NULL;
}

static int find_chosen(const char *chosen, char *path)
{
	if (!realpath(chosen, path))
		return cli_fail("run", "BELFRY_PRELOAD=%s: %s", chosen,
				strerror(errno));
	return CLI_OK;
}

int run_find_library(char path[PATH_MAX])
{
	const char *chosen = secure_getenv("BELFRY_PRELOAD");

	if (chosen)
		return find_chosen(chosen, path);
	if (find_built(path) || realpath(BELFRY_PRELOAD_DIR "/" LIBRARY, path))
		return CLI_OK;
	return cli_fail("run", "no " LIBRARY " in " BELFRY_PRELOAD_DIR
			       ": install it, or name it in BELFRY_PRELOAD");
}

/*
 * High, out of the way of the command, which inherits it: the path means
 * nothing in a PID namespace with its own /proc.
 */
static int inherit(int fd)
{
	const int high = 240;
	int inherited = fcntl(fd, F_DUPFD, high);

	if (inherited < 0)
		return fd;
	close(fd);
	return inherited;
}

int run_share_stats(struct run_counters *counters)
{
	counters->stats = shared_new("belfry-stats", sizeof(*counters->stats),
				     &counters->fd);
	if (!counters->stats)
		return cli_fail("run", "cannot share memory: %s",
				strerror(errno));
	stats_init(counters->stats);
	counters->fd = inherit(counters->fd);
	snprintf(counters->path, sizeof(counters->path), "/proc/%d/fd/%d",
		 (int)getpid(), counters->fd);
	return CLI_OK;
}

void run_copy_stats(const struct run_counters *counters, struct stats *copy)
{
	shared_copy(copy, counters->stats, sizeof(*copy));
	copy->started_ns = counters->started_ns;
}

void run_unshare_stats(struct run_counters *counters)
{
	munmap(counters->stats, sizeof(*counters->stats));
	close(counters->fd);
}

/* belfry compare sets LD_PRELOAD for each run: do not add the library twice. */
static bool is_first(const char *library, const char *list)
{
	size_t length = strlen(library);

	return list && !strncmp(list, library, length) &&
	       (list[length] == ':' || !list[length]);
}

static int set_preload(const char *library)
{
	const char *others = getenv("LD_PRELOAD");
	char *value;
	int ret;

	if (strpbrk(library, ": "))
		return cli_fail("run",
				"LD_PRELOAD cannot hold '%s': move it to a"
				" path without spaces and colons",
				library);
	if (is_first(library, others))
		return CLI_OK;
	if (asprintf(&value, "%s%s%s", library, others ? ":" : "",
		     others ? others : "") < 0)
		return cli_fail("run", "out of memory");
	ret = setenv("LD_PRELOAD", value, 1);
	free(value);
	return ret ? cli_fail("run", "out of memory") : CLI_OK;
}

/* Without an option the variable of the caller stays. */
static int set_variable(const char *name, const char *value)
{
	return value ? setenv(name, value, 1) : 0;
}

int run_set_environment(const struct run_settings *settings,
			const char *library, const char *stats_path)
{
	if (set_variable("BELFRY_STATS", stats_path) ||
	    set_variable("BELFRY_POLICY", settings->policy) ||
	    set_variable("BELFRY_INSTALL_AFTER", settings->install_after) ||
	    set_variable("BELFRY_QUIET_MS", settings->quiet_ms) ||
	    set_variable("BELFRY_ZONES", settings->zones))
		return cli_fail("run", "out of memory");
	return set_preload(library);
}
