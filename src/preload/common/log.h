/* SPDX-License-Identifier: MIT */
#ifndef BF_PRELOAD_LOG_H
#define BF_PRELOAD_LOG_H

/* Writes one line to the program's stderr, unless a seccomp filter forbids. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
