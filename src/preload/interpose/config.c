/* SPDX-License-Identifier: MIT */
/*
 * BELFRY_POLICY: lazy (default), first-run, never, eager, or plain.
 * BELFRY_RINGS, BELFRY_QUIET_MS: the numbers of lazy; see belfry/vm.h.
 * BELFRY_ZONES: deferred (default) or at-once.
 * BELFRY_STATS: the file of belfry run's counters.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/interpose/config.h"
#include "preload/common/say.h"
#include "preload/common/sys.h"
#include "base/util.h"

static struct stats own_stats;

struct config config = {
	.plain = true,
	.stats = &own_stats,
};

static const struct {
	const char *name;
	enum bf_policy policy;
} policies[] = {
	{"lazy", BF_POLICY_LAZY},
	{"first-run", BF_POLICY_FIRST_RUN},
	{"never", BF_POLICY_NEVER},
	{"eager", BF_POLICY_EAGER},
};

/* What cannot be understood changes nothing, and says so. */
static void refuse(const char *name, const char *value)
{
	config.plain = true;
	say("belfry: %s=%s is unknown: changing nothing", name, value);
}

static void load_policy(void)
{
	const char *policy = getenv("BELFRY_POLICY");

	config.plain = false;
	if (!policy || !*policy)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(policy, policies[i].name)) {
			config.front.policy = policies[i].policy;
			return;
		}
	}
	config.plain = true;
	if (strcmp(policy, "plain"))
		refuse("BELFRY_POLICY", policy);
}

/* A number from 1 up; where there is none it stays 0, the default. */
static void load_number(const char *name, uint32_t *number)
{
	const char *text = getenv(name);
	unsigned long value;
	char *end;

	if (!text || !*text)
		return;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || *text == '-' || !value || value > UINT32_MAX)
		refuse(name, text);
	else
		*number = (uint32_t)value;
}

static void load_zones(void)
{
	const char *zones = getenv("BELFRY_ZONES");

	if (!zones || !*zones || !strcmp(zones, "deferred"))
		return;
	if (!strcmp(zones, "at-once"))
		config.front.zones_at_once = true;
	else
		refuse("BELFRY_ZONES", zones);
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
	config_own();
	load_policy();
	load_number("BELFRY_RINGS", &config.front.rings);
	load_number("BELFRY_QUIET_MS", &config.front.quiet_ms);
	load_zones();
	load_stats();
}

void config_own(void)
{
	if (!config_forbids(FORBIDDEN_PID))
		config.pid = getpid();
}

/* Who may not ask takes himself for it. */
bool config_is_owner(void)
{
	return config_forbids(FORBIDDEN_PID) || getpid() == config.pid;
}
