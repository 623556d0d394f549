/* SPDX-License-Identifier: MIT */
/*
 * A progress line on stderr, rewritten in place.  Without effect unless stderr
 * is a terminal.
 */
#ifndef BF_CLI_PROGRESS_H
#define BF_CLI_PROGRESS_H

void progress_show(const char *what, unsigned long done, unsigned long total);
void progress_clear(void);

#endif
