/* SPDX-License-Identifier: MIT */
/*
 * Calls that never wait for a grace period and change nothing that the library
 * has to know, for one processor: untimed_*.c.  They read or set registers, or
 * raise an interrupt.  A VMM makes them often, and their time and the lookup of
 * the fd would add 90 ns to each, so they go to the next ioctl() at once,
 * unless the program's user wants to see every call.
 */
#ifndef BF_PRELOAD_UNTIMED_H
#define BF_PRELOAD_UNTIMED_H

#include <stdbool.h>
#include <stdint.h>

bool call_is_untimed(uint32_t request);

#endif
