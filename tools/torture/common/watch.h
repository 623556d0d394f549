/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_TORTURE_WATCH_H
#define BF_CLI_TORTURE_WATCH_H

struct torture_layer;

/*
 * Starts a thread that ends the process with status 1 if a thread has been in
 * the same operation for torture.watchdog seconds.  It prints the operations of
 * all threads before.  Returns 0 or an errno.
 */
int watchdog_start(const struct torture_layer *layer);
void watchdog_stop(void);

#endif
