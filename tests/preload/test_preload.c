/* SPDX-License-Identifier: MIT */
/*
 * A program sees the same with and without belfry under it, and the counters
 * say what belfry did.  Runs tiny_vmm, once alone and once with the library;
 * a sanitized library cannot be preloaded, so there it is linked in.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/stats.h"

#define OUTPUT_MAX 16384

/* What a program left behind. */
struct result {
	int status;
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
	struct stats stats;
};

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

static void read_back(int fd, char *buf)
{
	ssize_t len = pread(fd, buf, OUTPUT_MAX - 1, 0);

	assert_true(len >= 0);
	buf[len] = '\0';
	close(fd);
}

static const char *few_rings = "16"; /* or "": what belfry finds out */

/* In the child; policy NULL: without belfry. */
static void become(const char *scenario, const char *policy, const char *stats)
{
	const char *library = getenv("TEST_LIBRARY");

	if (!policy)
		execl(getenv("TEST_ALONE"), "tiny_vmm", scenario, NULL);
	setenv("BELFRY_POLICY", policy, 1);
	setenv("BELFRY_RINGS", few_rings, 1);
	setenv("BELFRY_QUIET_MS", "1", 1);
	if (stats)
		setenv("BELFRY_STATS", stats, 1);
	if (*library)
		setenv("LD_PRELOAD", library, 1);
	execl(getenv("TEST_UNDER"), "tiny_vmm", scenario, NULL);
}

static void run(struct result *result, const char *scenario, const char *policy)
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
		become(scenario, policy, counters.path);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &result->status, 0), pid);
	read_back(out, result->out);
	read_back(err, result->err);
	close_counters(&counters, &result->stats);
}

static struct result alone, under;

static void compare(const char *scenario, const char *policy)
{
	run(&under, scenario, policy);
	if (under.status != alone.status || strcmp(under.out, alone.out) != 0)
		print_error("%s, %s: stderr: %s\n", scenario, policy,
			    under.err);
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.status, alone.status);
}

static void compare_all(const char *scenario)
{
	run(&alone, scenario, NULL);
	assert_string_equal(alone.err, "");
	assert_true(strlen(alone.out) > 0);
	compare(scenario, "plain");
	compare(scenario, "eager");
	compare(scenario, "never");
	compare(scenario, "lazy");
	compare(scenario, "first-run");
	assert_int_equal(alone.status, 0);
	assert_int_equal(under.stats.loaded, 1);
}

static uint64_t rings(const struct stats *stats)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_VCPUS; i++)
		sum += stats->vcpu[i].rings;
	return sum;
}

static uint64_t runs(const struct stats *stats)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATS_VCPUS; i++)
		sum += stats->vcpu[i].runs;
	return sum;
}

static const struct stats_call *find_call(const struct stats *stats,
					  uint32_t key)
{
	for (size_t i = 0; i < STATS_CALLS; i++) {
		if (stats->calls[i].key == key)
			return &stats->calls[i];
	}
	return NULL;
}

static void test_errno(void **state)
{
	compare_all("errno");
	assert_string_equal(under.err, "");
	assert_int_equal(under.stats.installed, 0);
	assert_int_equal(under.stats.never_known, under.stats.deassigned);
	assert_true(under.stats.deassigned > 0);
	/* A request with the sign of its int is known by its 32 bits. */
	assert_non_null(find_call(&under.stats, (uint32_t)KVM_GET_CLOCK));
}

static void test_zone_errno(void **state)
{
	compare_all("zone-errno");
}

static void test_exits(void **state)
{
	compare_all("exits");
	assert_int_equal(under.stats.assigned, 7);
	assert_int_equal(under.stats.installed, 7);
	assert_true(under.stats.first_run_ns > under.stats.started_ns);
}

/* Whether as exits or through the ring: in the guest's order. */
static void test_zone_order(void **state)
{
	compare_all("zone-order");
	run(&under, "zone-order", "lazy");
	assert_string_equal(under.out, alone.out);
}

/* For a program that does not wait for an exit there is an option. */
static void test_zone_ring(void **state)
{
	setenv("BELFRY_ZONES", "at-once", 1);
	compare_all("zone-ring");
	compare("zone-ring", "lazy");
	setenv("BELFRY_ZONES", "deferred", 1);
	run(&under, "zone-ring", "lazy");
	unsetenv("BELFRY_ZONES");
	assert_string_not_equal(under.out, alone.out);
}

static void test_closed_eventfd(void **state)
{
	compare_all("closed-eventfd");
}

/* Not by how they were made: that is often not to be seen. */
static void test_unseen_eventfds(void **state)
{
	compare_all("unseen-eventfds");
	assert_int_equal(under.stats.assigned, 4);
	assert_int_equal(under.stats.deassigned, 4);
	run(&under, "unseen-eventfds", "never");
	assert_int_equal(rings(&under.stats), 4 * 3);
}

static void test_full_eventfd(void **state)
{
	compare_all("full-eventfd");
	run(&under, "full-eventfd", "never");
	assert_int_equal(rings(&under.stats), 3);
}

/* Other policies hold a number of it for as long as it is registered. */
static void test_polled_eventfd(void **state)
{
	run(&alone, "polled-eventfd", NULL);
	assert_non_null(strstr(alone.out, "events: 0\n"));
	compare("polled-eventfd", "plain");
	compare("polled-eventfd", "eager");
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(under.stats.aside, 0);
}

/* Grown while there is one thread; what only measures leaves it alone. */
static void test_fd_table(void **state)
{
	run(&alone, "fd-table", NULL);
	run(&under, "fd-table", "plain");
	assert_string_equal(under.out, alone.out);
	assert_true(atoi(alone.out) < 1024);
	run(&under, "fd-table", "never");
	assert_true(atoi(under.out) >= 1024);
}

static void test_numbers(void **state)
{
	compare_all("numbers");
	/* All of them were seen, whatever number they came through. */
	assert_int_equal(under.stats.assigned, 4);
	assert_int_equal(under.stats.installed, 4);
	assert_int_equal(under.stats.vms, 1);
	assert_int_equal(under.stats.aside, 0);
}

/* The numbers through which belfry installs are not theirs to close. */
static void test_strangers(void **state)
{
	compare_all("strangers");
	assert_int_equal(under.stats.installed, 2);
	assert_int_equal(under.stats.refused, 0);
}

/* While they are on their way the program has no number of the VM. */
static void test_received(void **state)
{
	compare_all("received");
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err, "belfry: steps aside for a VM: its fd"
				       " is sent over a socket\n");
}

static void test_pidfd(void **state)
{
	compare_all("pidfd");
	assert_int_equal(under.stats.aside, 0);
	/* All that the other numbers asked for was answered here. */
	assert_int_equal(under.stats.assigned, 3);
	assert_int_equal(under.stats.deassigned, 1);
}

static void test_raw(void **state)
{
	compare_all("raw");
	assert_int_equal(under.stats.vms, 1);
	assert_int_equal(under.stats.assigned, 0);
	/* Of the one that was seen to be made. */
	assert_int_equal(find_call(&under.stats, STATS_CLOSE_VM)->calls, 1);
}

/* Its exits are not to be seen, so the kernel must have its doorbells. */
static void test_raw_run(void **state)
{
	compare_all("raw-run");
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err, "belfry: steps aside for a VM: it is"
				       " called past ioctl()\n");
}

/* Nor to replace: of all numbers this one cannot be had. */
static void test_onto_all(void **state)
{
	run(&alone, "onto-all", NULL);
	run(&under, "onto-all", "first-run");
	assert_int_equal(strncmp(alone.out, "busy: 0, failed: 0\n", 19), 0);
	assert_int_equal(strncmp(under.out, "busy: 1, failed: 0\n", 19), 0);
	assert_string_equal(under.out + 19, alone.out + 19);
	assert_int_equal(under.status, 0);
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(under.stats.refused, 0);
}

static void test_threads(void **state)
{
	compare_all("threads");
	assert_int_equal(under.stats.assigned, 201);
}

static void test_two_vms(void **state)
{
	compare_all("two-vms");
	assert_int_equal(under.stats.vms, 2);
}

static void test_fork(void **state)
{
	compare_all("fork");
	/* The parent's and the child's own; not the inherited one's. */
	assert_int_equal(under.stats.assigned, 2);
	assert_int_equal(under.stats.vms, 2);
}

static void test_vfork(void **state)
{
	compare_all("vfork");
	assert_string_equal(under.err, "");
	assert_int_equal(under.stats.aside, 0);
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 1);
}

static void test_death(void **state)
{
	compare_all("death");
	/* Of three VMs only one ran, so the kernel saw only its doorbells. */
	assert_int_equal(under.stats.assigned, 6);
	assert_int_equal(under.stats.installed, 2);
}

static void test_aside(void **state)
{
	compare_all("aside");
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err, "belfry: steps aside for a VM: cannot"
				       " map a vCPU's run page\n");
}

static void test_plain_ioctl(void **state)
{
	compare_all("plain-ioctl");
}

/* The kernel alone would say ENOSPC; belfry rings in user space. */
static void test_refused(void **state)
{
	run(&under, "refused", "first-run");
	assert_string_equal(under.out, "assign: 0\nexit 5\nrung: 1000\n");
	assert_int_equal(under.status, 0);
	assert_int_equal(under.stats.refused, 1);
	assert_int_equal(rings(&under.stats), 1000);
	assert_int_equal(runs(&under.stats), 1);
}

static void test_kick(void **state)
{
	run(&under, "kick", "first-run");
	assert_string_equal(under.out, "assign: 0\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "kicked: -1 EINTR\n"
				       "rung: 1\n");
	assert_int_equal(under.status, 0);
	assert_true(rings(&under.stats) > 0);
}

/* A kick that only sets a flag is looked for after each exit. */
static void test_kick_flag(void **state)
{
	compare_all("kick-flag");
	run(&under, "kick-flag", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(rings(&under.stats) > 0);
	assert_true(runs(&under.stats) >= rings(&under.stats));
}

/* Wherever the vCPU is stopped: what it has rung is what it has done. */
static void test_kick_regs(void **state)
{
	compare_all("kick-regs");
	run(&under, "kick-regs", "never");
	assert_string_equal(under.out, alone.out);
	assert_true(rings(&under.stats) > 0);
	assert_int_equal(runs(&under.stats), 20);
}

static void test_closed_while_ringing(void **state)
{
	compare_all("closed-while-ringing");
	assert_int_equal(under.stats.aside, 0);
}

/* A vCPU's thread may not write: it would die of its first ring. */
static void test_seccomp(void **state)
{
	compare_all("seccomp");
	run(&under, "seccomp", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.aside, 1);
	assert_string_equal(under.err,
			    "belfry: steps aside for a VM: a seccomp filter"
			    " forbids what it does\n");
}

/* One that forbids only what nobody here does is no reason to. */
static void test_seccomp_mild(void **state)
{
	compare_all("seccomp-mild");
	run(&under, "seccomp-mild", "never");
	assert_string_equal(under.out, alone.out);
	assert_int_equal(under.stats.aside, 0);
	assert_int_equal(rings(&under.stats), 3);
}

/*
 * Whatever belfry calls, no VMM dies of it.  A sanitizer's runtime makes calls
 * of its own.
 */
static void compare_forbidden(const char *scenario)
{
	if (!*getenv("TEST_LIBRARY"))
		skip();
	run(&alone, scenario, NULL);
	assert_true(strlen(alone.out) > 0);
	compare(scenario, "plain");
	compare(scenario, "lazy");
	assert_true(under.stats.aside > 0);
	assert_true(under.stats.aside < under.stats.vms);
	assert_true(rings(&under.stats) > 0);
	few_rings = "";
	compare(scenario, "lazy");
	few_rings = "16";
}

static void test_forbidden(void **state)
{
	compare_forbidden("forbidden");
}

static void test_forbidden_late(void **state)
{
	compare_forbidden("forbidden-late");
}

static void test_forbidden_vcpu(void **state)
{
	compare_forbidden("forbidden-vcpu");
}

static void test_refused_calls(void **state)
{
	compare_forbidden("refused-calls");
}

static void test_killed(void **state)
{
	run(&under, "killed", "first-run");
	assert_true(WIFSIGNALED(under.status));
	assert_int_equal(under.stats.assigned, 1);
	assert_int_equal(under.stats.installed, 1);
	assert_int_equal(runs(&under.stats), 1);
}

/* Plain measures, and answers for nothing. */
static void test_plain_counts(void **state)
{
	const struct stats_call *call;

	run(&under, "two-vms", "plain");
	assert_int_equal(under.stats.assigned, 0);
	assert_int_equal(under.stats.vms, 2);
	assert_int_equal(runs(&under.stats), 2);
	call = find_call(&under.stats, (uint32_t)KVM_IOEVENTFD);
	assert_non_null(call);
	assert_int_equal(call->calls, 2);
	assert_int_equal(call->errors, 0);
	assert_true(call->longest_ns > 0);
	assert_true(call->longest_ns <= call->total_ns);
	call = find_call(&under.stats, STATS_CLOSE_VM);
	assert_non_null(call);
	assert_int_equal(call->calls, 2);
	assert_null(find_call(&under.stats, STATS_INSTALL));
}

static void test_unknown_policy(void **state)
{
	run(&alone, "two-vms", NULL);
	run(&under, "two-vms", "nonsense");
	assert_string_equal(under.out, alone.out);
	assert_string_equal(under.err, "belfry: BELFRY_POLICY=nonsense is"
				       " unknown: changing nothing\n");
	assert_int_equal(under.stats.assigned, 0);
}

static int has_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return 0;
	close(fd);
	return 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_ioctl),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_zone_errno),
		cmocka_unit_test(test_zone_order),
		cmocka_unit_test(test_zone_ring),
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_closed_eventfd),
		cmocka_unit_test(test_unseen_eventfds),
		cmocka_unit_test(test_full_eventfd),
		cmocka_unit_test(test_polled_eventfd),
		cmocka_unit_test(test_fd_table),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_received),
		cmocka_unit_test(test_pidfd),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_raw_run),
		cmocka_unit_test(test_onto_all),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_two_vms),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_vfork),
		cmocka_unit_test(test_death),
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_kick_flag),
		cmocka_unit_test(test_kick_regs),
		cmocka_unit_test(test_closed_while_ringing),
		cmocka_unit_test(test_seccomp),
		cmocka_unit_test(test_seccomp_mild),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_forbidden_late),
		cmocka_unit_test(test_forbidden_vcpu),
		cmocka_unit_test(test_refused_calls),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_plain_counts),
		cmocka_unit_test(test_unknown_policy),
	};

	if (!has_kvm()) {
		fprintf(stderr, "skipped: no /dev/kvm\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
