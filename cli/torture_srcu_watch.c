// SPDX-License-Identifier: MIT
/*
 * The watchdog of the SRCU torture.  It takes no lock that an actor takes, and
 * what it prints goes by no buffer of theirs: they may hang for good.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cli.h"
#include "torture_srcu.h"
#include "util.h"

#define TICK_MS	      1000
#define STATS_SECONDS 5 /* for statistics, which are under a lock */

static const char *const kinds[NR_ACTOR_KINDS] = {
	[ACTOR_READER] = "reader",   [ACTOR_PASSER_BY] = "passer-by",
	[ACTOR_SPAWNER] = "spawner", [ACTOR_WRITER] = "writer",
	[ACTOR_POLLER] = "poller",   [ACTOR_TRANSIENT] = "maker of domains",
	[ACTOR_FORKER] = "forker",   [ACTOR_CALLBACK] = "callback",
	[ACTOR_MAIN] = "main",
};

static struct {
	unsigned long steps;
	unsigned long ticks; /* without one */
} seen[NR_POSTS];

static pthread_t watchdog;
static int end_fd = -1;

/* For how many ticks the actor of a post has been at the same thing. */
static unsigned long look_at(size_t i)
{
	unsigned long steps =
		__atomic_load_n(&posts[i].steps, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&posts[i].taken, __ATOMIC_RELAXED) ||
	    !__atomic_load_n(&posts[i].doing, __ATOMIC_RELAXED) ||
	    steps != seen[i].steps)
		seen[i].ticks = 0;
	else
		seen[i].ticks++;
	seen[i].steps = steps;
	return seen[i].ticks;
}

static void print_post(size_t i)
{
	const struct post *post = &posts[i];
	const char *doing = __atomic_load_n(&post->doing, __ATOMIC_RELAXED);
	const char *domain = __atomic_load_n(&post->domain, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&post->taken, __ATOMIC_RELAXED))
		return;
	dprintf(STDERR_FILENO, "%s %u: %s%s%s, for %lu s, step %lu\n",
		kinds[__atomic_load_n(&post->kind, __ATOMIC_RELAXED)],
		__atomic_load_n(&post->number, __ATOMIC_RELAXED),
		doing ? doing : "nothing", domain ? ": " : "",
		domain ? domain : "", seen[i].ticks, seen[i].steps);
}

static void print_stats(const struct domain *domain)
{
	struct srcu_stats stats;

	srcu_get_stats(domain->srcu, &stats);
	dprintf(STDERR_FILENO,
		"%s: %llu grace periods, %llu expedited, %llu promoted, "
		"%llu callbacks, %llu membarriers, longest wait %.1f ms\n",
		domain->name, (unsigned long long)stats.grace_periods,
		(unsigned long long)stats.expedited,
		(unsigned long long)stats.promoted,
		(unsigned long long)stats.callbacks,
		(unsigned long long)stats.membarriers,
		(double)stats.longest_wait_ns / 1e6);
}

static void give_up(int signal)
{
	_exit(CLI_FAILURE);
}

/* Ends the process, even if a domain's lock is never let go. */
static void bark(void)
{
	const struct sigaction action = {.sa_handler = give_up};

	dprintf(STDERR_FILENO,
		"belfry torture srcu: no progress for %lu s: who waits below "
		"was not woken, or waits for one who was not; seed %lu\n",
		torture.watchdog, torture.seed);
	for (size_t i = 0; i < NR_POSTS; i++)
		print_post(i);
	sigaction(SIGALRM, &action, NULL);
	alarm(STATS_SECONDS);
	for (unsigned int i = 0; i < torture.nr_domains; i++)
		print_stats(&torture.domains[i]);
	_exit(CLI_FAILURE);
}

/* Ticks are counted, not read from a clock, which goes on when we do not. */
static void *watch(void *unused)
{
	struct pollfd end = {.fd = end_fd, .events = POLLIN};
	unsigned long longest;
	int ready;

	while ((ready = poll(&end, 1, TICK_MS)) <= 0) {
		longest = 0;
		for (size_t i = 0; i < NR_POSTS && !ready; i++) {
			unsigned long ticks = look_at(i);

			longest = ticks > longest ? ticks : longest;
		}
		if (longest >= torture.watchdog)
			bark();
	}
	return unused;
}

int watchdog_start(void)
{
	int ret;

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
