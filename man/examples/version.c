// SPDX-License-Identifier: MIT
#include <stdio.h>

#include <belfry/version.h>

/*
 * The version of the header, and that of the library:
 */
#if !BELFRY_VERSION_AT_LEAST(0, 1, 0)
#error "this program needs belfry 0.1 or later"
#endif

void print_versions(void)
{
	printf("compiled with %s, runs with %s\n", BELFRY_VERSION,
	       bf_version());
}
