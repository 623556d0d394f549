/* SPDX-License-Identifier: MIT */
/* To be preloaded: the clock of the day is set at each look at it. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t step(void)
{
	static time_t steps[] = {0, 3600, -3600, 1};
	static unsigned int next;

	return steps[__atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % 4];
}

#pragma GCC visibility push(default)
int clock_gettime(clockid_t id, struct timespec *ts)
{
	long ret = syscall(SYS_clock_gettime, id, ts);

	if (!ret && id == CLOCK_REALTIME)
		ts->tv_sec += step();
	return (int)ret;
}
