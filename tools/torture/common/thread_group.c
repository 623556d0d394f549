// SPDX-License-Identifier: MIT
/* Threads, progress and summary of a torture. */
#include <stdint.h>
#include <stdio.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/progress.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/sleep.h"
#include "thread_group.h"

int thread_group_add(struct thread_group *group, void *(*main)(void *),
		     unsigned long count)
{
	int ret = 0;

	for (uintptr_t i = 0; i < count && !ret; i++) {
		ret = pthread_create(&group->threads[group->count], NULL, main,
				     (void *)i);
		group->count += !ret;
	}
	return ret;
}

void thread_group_join(struct thread_group *group)
{
	for (unsigned int i = 0; i < group->count; i++)
		pthread_join(group->threads[i], NULL);
}

void torture_wait(const char *command)
{
	unsigned long ticks = 10 * torture.seconds;
	char what[40];

	snprintf(what, sizeof(what), "%s, seconds", command);
	for (unsigned long i = 0; i < ticks && !torture_stopped(); i++) {
		progress_show(what, i / 10, torture.seconds);
		sleep_ms(100);
	}
	progress_clear();
}

void torture_report(struct report *report, const char *const *names,
		    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		report_row(report, names[i], "count");
		report_count(report, "value", torture.tallies[i]);
	}
}

int torture_verdict(const char *command)
{
	if (!torture.failing)
		return CLI_OK;
	return cli_fail(command, "%s; seed %lu", torture.failure, torture.seed);
}
