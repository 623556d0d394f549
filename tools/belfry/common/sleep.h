/* SPDX-License-Identifier: MIT */
/* Sleeps of a given time; a signal may end one early. */
#ifndef BF_CLI_SLEEP_H
#define BF_CLI_SLEEP_H

#include <time.h>

static inline void sleep_us(unsigned long us)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(us / 1000000),
		.tv_nsec = (long)(us % 1000000 * 1000),
	};

	nanosleep(&ts, NULL);
}

static inline void sleep_ms(unsigned long ms)
{
	sleep_us(1000 * ms);
}

#endif
