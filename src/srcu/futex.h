/* SPDX-License-Identifier: MIT */
/* futex(2) on words of this process. */
#ifndef BF_SRCU_FUTEX_H
#define BF_SRCU_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

#define FUTEX_FOREVER UINT64_MAX

/*
 * Sleeps if *word is value, until a wake-up, at most timeout_ns.  May return
 * early without a wake-up.  Returns 0 or a negative errno, such as -EINTR.
 */
static inline int futex_wait(unsigned int *word, unsigned int value,
			     uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(timeout_ns % NSEC_PER_SEC),
	};

	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		    timeout_ns == FUTEX_FOREVER ? NULL : &ts, NULL, 0))
		return -errno;
	return 0;
}

/* The high half of a word of 64 bits, on which threads sleep. */
static inline unsigned int *futex_of_high(uint64_t *word)
{
	_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
		       "the high half comes second");
	return (unsigned int *)word + 1;
}

static inline void futex_wait_high(uint64_t *word, unsigned int value,
				   uint64_t timeout_ns)
{
	futex_wait(futex_of_high(word), value, timeout_ns);
}

static inline void futex_wake_one(unsigned int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline void futex_wake_all(unsigned int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static inline void futex_wake_all_high(uint64_t *word)
{
	futex_wake_all(futex_of_high(word));
}

#endif
