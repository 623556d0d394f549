/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload_fixture.h"

struct counters {
	struct stats *stats;
	char path[64];
	int fd;
};

static void open_counters(struct counters *counters)
{
	size_t size = sizeof(*counters->stats);

	counters->fd = memfd_create("test-stats", MFD_CLOEXEC);
	assert_int_equal(ftruncate(counters->fd, (off_t)size), 0);
	counters->stats = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       counters->fd, 0);
	assert_ptr_not_equal(counters->stats, MAP_FAILED);
	stats_init(counters->stats);
	snprintf(counters->path, sizeof(counters->path), "/proc/%d/fd/%d",
		 (int)getpid(), counters->fd);
}

static void close_counters(struct counters *counters, struct stats *copy)
{
	memcpy(copy, counters->stats, sizeof(*copy));
	munmap(counters->stats, sizeof(*copy));
	close(counters->fd);
}

static void read_output(int fd, char *buf)
{
	ssize_t len = pread(fd, buf, OUTPUT_MAX - 1, 0);

	assert_true(len >= 0);
	buf[len] = '\0';
	close(fd);
}

/*
 * In the child.  TEST_LIBRARY is empty if the library cannot be preloaded and
 * is linked into TEST_UNDER instead.
 */
static void exec_testvmm(const char *scenario, const char *policy,
			 const char *stats)
{
	const char *library = getenv("TEST_LIBRARY");

	if (!policy)
		execl(getenv("TEST_ALONE"), "testvmm", scenario, NULL);
	setenv("BELFRY_POLICY", policy, 1);
	setenv("BELFRY_INSTALL_AFTER", "16", 1);
	setenv("BELFRY_QUIET_MS", "1", 1);
	if (stats)
		setenv("BELFRY_STATS", stats, 1);
	if (*library)
		setenv("LD_PRELOAD", library, 1);
	execl(getenv("TEST_UNDER"), "testvmm", scenario, NULL);
}

void run_scenario(struct result *result, const char *scenario,
		  const char *policy)
{
	int out = memfd_create("out", MFD_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	struct counters counters;
	pid_t pid;

	open_counters(&counters);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		exec_testvmm(scenario, policy, counters.path);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &result->status, 0), pid);
	read_output(out, result->out);
	read_output(err, result->err);
	close_counters(&counters, &result->stats);
}

struct result alone, under;

void compare_scenario(const char *scenario, const char *policy)
{
	run_scenario(&under, scenario, policy);
	if (under.status != alone.status || strcmp(under.out, alone.out) != 0)
		print_error("%s, %s: stderr: %s\n", scenario, policy,
			    under.err);
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.status, alone.status);
}

void compare_all_policies(const char *scenario)
{
	run_scenario(&alone, scenario, NULL);
	assert_string_equal(alone.err, "");
	assert_true(strlen(alone.out) > 0);
	compare_scenario(scenario, "plain");
	compare_scenario(scenario, "eager");
	compare_scenario(scenario, "never");
	compare_scenario(scenario, "lazy");
	compare_scenario(scenario, "first-run");
	assert_int_equal(alone.status, 0);
	assert_int_equal(under.stats.loaded, 1);
}

uint64_t signals(const struct stats *stats)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_VCPUS; i++)
		sum += stats->vcpu[i].signals;
	return sum;
}

uint64_t runs(const struct stats *stats)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_VCPUS; i++)
		sum += stats->vcpu[i].runs;
	return sum;
}

const struct stats_call *find_call(const struct stats *stats, uint32_t key)
{
	for (size_t i = 0; i < STATS_CALLS; i++) {
		if (stats->calls[i].key == key)
			return &stats->calls[i];
	}
	return NULL;
}

int preload_has_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "skipped: no /dev/kvm\n");
		return 0;
	}
	close(fd);
	return 1;
}
