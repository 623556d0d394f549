/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into belfry: a command prints the options that it takes, a line
 * each, and ends.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((visibility("default"))) int
getopt_long(int argc, char *const *argv, const char *letters,
	    const struct option *options, int *index)
{
	(void)argc;
	(void)argv;
	(void)index;
	for (; *letters; letters++) {
		if (isalnum((unsigned char)*letters))
			printf("-%c\n", *letters);
	}
	for (; options->name; options++)
		printf("--%s\n", options->name);
	exit(0);
}
