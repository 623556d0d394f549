/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_TORTURE_WATCH_H
#define BF_CLI_TORTURE_WATCH_H

struct torture_layer;

/*
 * A thread that ends the process with status 1 when an actor has been at the
 * same thing for torture.watchdog seconds, having said who does what.
 * Returns an errno.
 */
int watchdog_start(const struct torture_layer *layer);
void watchdog_stop(void);

#endif
