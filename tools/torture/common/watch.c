// SPDX-License-Identifier: MIT
/*
 * The watchdog of a torture.  It takes no lock and uses no buffer of the other
 * threads, because these may hang for ever.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "thread.h"
#include "main.h"
#include "watch.h"

#define TICK_MS	      1000
#define STATS_SECONDS 5 /* limit for the statistics, which take a lock */

static const struct torture_layer *watched;

static struct {
	unsigned long steps;
	unsigned long ticks; /* without one */
} seen[NR_STATUSES];

static pthread_t watchdog;
static int end_fd = -1;

/* Returns for how many ticks the thread has been in the same operation. */
static unsigned long count_ticks(size_t i)
{
	unsigned long steps =
		__atomic_load_n(&statuses[i].steps, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&statuses[i].taken, __ATOMIC_RELAXED) ||
	    !__atomic_load_n(&statuses[i].doing, __ATOMIC_RELAXED) ||
	    steps != seen[i].steps)
		seen[i].ticks = 0;
	else
		seen[i].ticks++;
	seen[i].steps = steps;
	return seen[i].ticks;
}

static void print_status(size_t i)
{
	const struct thread_status *status = &statuses[i];
	const char *doing = __atomic_load_n(&status->doing, __ATOMIC_RELAXED);
	const char *where = __atomic_load_n(&status->where, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&status->taken, __ATOMIC_RELAXED))
		return;
	dprintf(STDERR_FILENO, "%s %u: %s%s%s, for %lu s, step %lu\n",
		watched->thread_kinds[__atomic_load_n(&status->kind,
						      __ATOMIC_RELAXED)],
		__atomic_load_n(&status->number, __ATOMIC_RELAXED),
		doing ? doing : "nothing", where ? ": " : "",
		where ? where : "", seen[i].ticks, seen[i].steps);
}

static void give_up(int signal)
{
	_exit(CLI_FAILURE);
}

/* Ends the process, even if another thread never releases a lock. */
static void report_hang(void)
{
	const struct sigaction action = {.sa_handler = give_up};

	dprintf(STDERR_FILENO,
		"belfry %s: no progress for %lu s: a thread below was not "
		"woken, or waits for one that was not; seed %lu\n",
		watched->command, torture.watchdog, torture.seed);
	for (size_t i = 0; i < NR_STATUSES; i++)
		print_status(i);
	sigaction(SIGALRM, &action, NULL);
	alarm(STATS_SECONDS);
	if (watched->print_stats)
		watched->print_stats();
	_exit(CLI_FAILURE);
}

/* Counts ticks: a clock goes on while the process is stopped. */
static void *watch(void *unused)
{
	struct pollfd end = {.fd = end_fd, .events = POLLIN};
	unsigned long longest;
	int ready;

	while ((ready = poll(&end, 1, TICK_MS)) <= 0) {
		longest = 0;
		for (size_t i = 0; i < NR_STATUSES && !ready; i++) {
			unsigned long ticks = count_ticks(i);

			longest = ticks > longest ? ticks : longest;
		}
		if (longest >= torture.watchdog)
			report_hang();
	}
	return unused;
}

int watchdog_start(const struct torture_layer *layer)
{
	int ret;

	watched = layer;
	end_fd = eventfd(0, EFD_CLOEXEC);
	if (end_fd < 0)
		return errno;
	ret = pthread_create(&watchdog, NULL, watch, NULL);
	if (ret)
		close(end_fd);
	return ret;
}

void watchdog_stop(void)
{
	eventfd_write(end_fd, 1);
	pthread_join(watchdog, NULL);
	close(end_fd);
}
