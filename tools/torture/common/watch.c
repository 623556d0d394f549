// SPDX-License-Identifier: MIT
/*
 * The watchdog of a torture.  It takes no lock that an actor takes, and
 * what it prints goes by no buffer of theirs: they may hang for good.
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
#include "actor.h"
#include "main.h"
#include "watch.h"

#define TICK_MS	      1000
#define STATS_SECONDS 5 /* for statistics, which are under a lock */

static const struct torture_layer *watched;

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
	const char *where = __atomic_load_n(&post->where, __ATOMIC_RELAXED);

	if (!__atomic_load_n(&post->taken, __ATOMIC_RELAXED))
		return;
	dprintf(STDERR_FILENO, "%s %u: %s%s%s, for %lu s, step %lu\n",
		watched->actors[__atomic_load_n(&post->kind, __ATOMIC_RELAXED)],
		__atomic_load_n(&post->number, __ATOMIC_RELAXED),
		doing ? doing : "nothing", where ? ": " : "",
		where ? where : "", seen[i].ticks, seen[i].steps);
}

static void give_up(int signal)
{
	_exit(CLI_FAILURE);
}

/* Ends the process, even if a lock is never let go. */
static void bark(void)
{
	const struct sigaction action = {.sa_handler = give_up};

	dprintf(STDERR_FILENO,
		"belfry %s: no progress for %lu s: who waits below was not "
		"woken, or waits for one who was not; seed %lu\n",
		watched->command, torture.watchdog, torture.seed);
	for (size_t i = 0; i < NR_POSTS; i++)
		print_post(i);
	sigaction(SIGALRM, &action, NULL);
	alarm(STATS_SECONDS);
	if (watched->print_stats)
		watched->print_stats();
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
