// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "vm/close.h"

/*
 * What the normal grace period takes: who has waited as long has lost as much
 * as he could gain.  It also keeps a child of fork(), where the thread that had
 * the turn is gone, from waiting for good.
 */
#define PATIENCE_NS 8000000

#define NS_PER_S 1000000000

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* By a clock that may be set: then it is too early, or as long as a close. */
static bool take_turn(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += PATIENCE_NS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_nsec -= NS_PER_S;
		until.tv_sec++;
	}
	return !pthread_mutex_timedlock(&turn, &until);
}

void bf_close_in_turn(int fd, void (*close_fd)(int fd))
{
	bool has_turn = take_turn();

	close_fd(fd);
	if (has_turn)
		pthread_mutex_unlock(&turn);
}

void bf_close_vm(const struct bf_front *front, int fd, void (*close_fd)(int fd))
{
	if (front && bf_front_owes(front))
		close_fd(fd);
	else
		bf_close_in_turn(fd, close_fd);
}
