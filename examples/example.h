/* SPDX-License-Identifier: MIT */
/* How the examples give up: with one line, and a status that a test sees. */
#ifndef BF_EXAMPLES_EXAMPLE_H
#define BF_EXAMPLES_EXAMPLE_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The library answers 0 or a negative errno. */
static inline void must(int ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-ret));
	exit(EXIT_FAILURE);
}

/* A system call answers -1 and sets errno. */
static inline int must_sys(int ret, const char *what)
{
	must(ret == -1 ? -errno : 0, what);
	return ret;
}

/* What the example is there to show, and whether it was so. */
static inline void expect(bool happened, const char *what)
{
	if (happened)
		return;
	fprintf(stderr, "this did not happen: %s\n", what);
	exit(EXIT_FAILURE);
}

#endif
