/* SPDX-License-Identifier: MIT */
/* One line on the program's stderr. */
#ifndef BF_PRELOAD_SAY_H
#define BF_PRELOAD_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
