/* SPDX-License-Identifier: MIT */
/* Error checks: on failure, print one line and exit with status 1. */
#ifndef BF_EXAMPLES_EXAMPLE_H
#define BF_EXAMPLES_EXAMPLE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Library functions return 0 or a negative errno. */
static inline void must(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-ret));
	exit(EXIT_FAILURE);
}

/* System calls return -1 and set errno. */
static inline int must_sys(int ret, const char *what)
{
	must(ret == -1 ? -errno : 0, what);
	return ret;
}

/* Checks a step of the example. */
static inline void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "expected: %s\n", what);
	exit(EXIT_FAILURE);
}

#endif
