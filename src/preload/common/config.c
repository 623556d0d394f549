/* SPDX-License-Identifier: MIT */
/*
 * BELFRY_POLICY: lazy (default), first-run, never, eager, or plain.
 * BELFRY_INSTALL_AFTER, BELFRY_QUIET_MS: the thresholds of lazy; see
 * belfry/vm.h.
 * BELFRY_ZONES: deferred (default) or at-once.
 * BELFRY_STATS: the file with the counters of belfry run.
 * BELFRY_PRINT: summary (default), all or quiet; with BELFRY_STATS belfry run
 * prints, and all only times calls that cannot wait, too.
 * BELFRY_RECORDING: see record.h; a recording has all calls.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/util.h"
#include "preload/common/config.h"
#include "preload/common/log.h"
#include "preload/common/sys.h"

static struct stats private_stats;

struct config config = {
	.plain = true,
	.stats = &private_stats,
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

/* A program with a wrong setting runs as without belfry, and is told so. */
static void reject_setting(const char *name, const char *value,
			   const char *expected)
{
	config.plain = true;
	log_line("belfry: %s=%s is not valid: changing nothing; set it to %s",
		 name, value, expected);
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
		reject_setting("BELFRY_POLICY", policy,
			       "lazy, first-run, never, eager or plain");
}

/* @number stays 0, which selects the default, if @name is not set. */
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
		reject_setting(name, text, "a number from 1 to 4294967295");
	else
		*number = (uint32_t)value;
}

/* A setting of an earlier release is not ignored in silence. */
static void refuse_renamed(const char *old, const char *name)
{
	if (!getenv(old))
		return;
	config.plain = true;
	log_line("belfry: %s is now %s: changing nothing", old, name);
}

static void load_zones(void)
{
	const char *zones = getenv("BELFRY_ZONES");

	if (!zones || !*zones || !strcmp(zones, "deferred"))
		return;
	if (!strcmp(zones, "at-once"))
		config.front.zones_at_once = true;
	else
		reject_setting("BELFRY_ZONES", zones, "deferred or at-once");
}

static void load_times_all(void)
{
	const char *print = getenv("BELFRY_PRINT");

	config.times_all = getenv("BELFRY_RECORDING") ||
			   (print && !strcmp(print, "all"));
}

static bool stats_match_build(const struct stats *stats)
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
	if (stats_match_build(stats))
		return stats;
	munmap(stats, sizeof(*stats));
	return NULL;
}

/*
 * In a PID namespace with its own /proc the path names another process, or
 * none.  A program that has inherited belfry run's fd finds the counters there.
 */
static struct stats *map_inherited_stats(const char *path)
{
	const char *number = strrchr(path, '/');

	return number ? map_stats(atoi(number + 1)) : NULL;
}

static struct stats *open_stats(const char *path)
{
	struct stats *stats = map_inherited_stats(path);
	int fd;

	if (stats)
		return stats;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
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

	stats_init(&private_stats);
	if (!shared)
		return;
	atomic_fetch_add(&shared->loaded, 1);
	config.stats = shared;
	config.stats_shared = true;
}

void config_load(void)
{
	load_policy();
	refuse_renamed("BELFRY_RINGS", "BELFRY_INSTALL_AFTER");
	load_number("BELFRY_INSTALL_AFTER", &config.front.install_after);
	load_number("BELFRY_QUIET_MS", &config.front.quiet_ms);
	load_zones();
	load_times_all();
	load_stats();
}
