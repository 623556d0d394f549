/* SPDX-License-Identifier: MIT */
/*
 * BELFRY_POLICY: plain, first-run (default) or eager.
 * BELFRY_STATS: the file of belfry run's counters.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/config.h"
#include "preload/say.h"
#include "preload/sys.h"

static struct stats own_stats;

struct config config = {
	.plain = true,
	.stats = &own_stats,
};

static void load_policy(void)
{
	const char *policy = getenv("BELFRY_POLICY");

	config.plain = false;
	config.policy = BF_POLICY_FIRST_RUN;
	if (!policy || !*policy || !strcmp(policy, "first-run"))
		return;
	if (!strcmp(policy, "eager")) {
		config.policy = BF_POLICY_EAGER;
		return;
	}
	config.plain = true;
	if (strcmp(policy, "plain"))
		say("belfry: BELFRY_POLICY=%s is unknown: changing nothing",
		    policy);
}

static bool is_ours(const struct stats *stats)
{
	return stats->magic == STATS_MAGIC && stats->version == STATS_VERSION &&
	       stats->size == sizeof(*stats);
}

static struct stats *map_stats(int fd)
{
	struct stats *stats;
	struct stat st;

	if (fstat(fd, &st) || st.st_size != (off_t)sizeof(*stats))
		return NULL;
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (stats == MAP_FAILED)
		return NULL;
	if (is_ours(stats))
		return stats;
	munmap(stats, sizeof(*stats));
	return NULL;
}

static struct stats *open_stats(const char *path)
{
	struct stats *stats;
	int fd;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	stats = map_stats(fd);
	sys_close(fd);
	return stats;
}

static void load_stats(void)
{
	const char *path = getenv("BELFRY_STATS");
	struct stats *shared = path ? open_stats(path) : NULL;

	stats_init(&own_stats);
	if (!shared)
		return;
	atomic_fetch_add(&shared->loaded, 1);
	config.stats = shared;
	config.stats_shared = true;
}

void config_load(void)
{
	config.pid = getpid();
	load_policy();
	load_stats();
}

bool config_is_owner(void)
{
	return getpid() == config.pid;
}
