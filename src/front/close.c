// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "front/front.h"

/*
 * As long as a normal grace period: a thread that has waited for that time has
 * lost as much as its turn could save.  The limit also ends the wait in a child
 * of fork(), where the thread that had the turn does not exist.
 */
#define MAX_WAIT_NS 8000000

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/*
 * pthread_mutex_timedlock() takes CLOCK_REALTIME.  If the clock is set during
 * the wait, the wait ends early, or when the other VM has closed.
 */
static bool take_turn(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += MAX_WAIT_NS;
	if (until.tv_nsec >= (long)BF_NS_PER_S) {
		until.tv_nsec -= (long)BF_NS_PER_S;
		until.tv_sec++;
	}
	return !pthread_mutex_timedlock(&turn, &until);
}

static void close_in_turn(int fd, void (*close_fd)(int fd))
{
	bool has_turn = take_turn();

	close_fd(fd);
	if (has_turn)
		pthread_mutex_unlock(&turn);
}

void bf_close_vm(const struct bf_front *front, int fd, void (*close_fd)(int fd))
{
	if (front && bf_front_has_pending_gp(front))
		close_fd(fd);
	else
		close_in_turn(fd, close_fd);
}
