// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdbool.h>

#include "base/clock.h"
#include "front/front.h"
#include "vcpus/vcpus.h"

/*
 * As long as a normal grace period: a thread that has waited for that time has
 * lost as much as its turn could save.  The limit also ends the wait in a child
 * of fork(), where the thread that had the turn does not exist.
 */
#define MAX_WAIT_NS 8000000

static unsigned int turn;

static bool take_turn(void)
{
	const uint64_t until = bf_now_ns() + MAX_WAIT_NS;
	int ret;

	do {
		ret = bf_word_lock_until(&turn, until);
	} while (ret == -EINTR);
	return !ret;
}

static void close_in_turn(int fd, void (*close_fd)(int fd))
{
	bool has_turn = take_turn();

	close_fd(fd);
	if (has_turn)
		bf_word_unlock(&turn);
}

void bf_close_vm(const struct bf_front *front, int fd, void (*close_fd)(int fd))
{
	if (front && bf_front_has_pending_gp(front))
		close_fd(fd);
	else
		close_in_turn(fd, close_fd);
}
