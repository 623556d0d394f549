// SPDX-License-Identifier: MIT
#include <stdio.h>

#include <belfry/io_stats.h>

/*
 * The average time that a guest spends in a range:
 */
static void report(const char *name, const struct bf_io_range *range)
{
	struct bf_io_stats stats;
	uint64_t uses;

	bf_io_range_stats(range, &stats);
	uses = stats.reads + stats.writes;
	if (uses)
		printf("%s: %llu uses, %llu ns each\n", name,
		       (unsigned long long)uses,
		       (unsigned long long)(stats.ns / uses));
}
