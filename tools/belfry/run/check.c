/* SPDX-License-Identifier: MIT */
/* Why a command made no call that belfry has seen. */
#include <stdatomic.h>
#include <stdio.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/program.h"
#include "tools/belfry/run/run.h"

static const char *find_obstacle(const char *command)
{
	struct program program;
	char path[PATH_MAX];

	if (!program_find(command, path))
		return NULL;
	program_read(path, &program);
	if (program.linkage == PROGRAM_STATIC)
		return "is statically linked";
	if (program.linkage == PROGRAM_FOREIGN)
		return "has the loader of another architecture or C library";
	return program.privileged ? "gains privileges when it is executed" :
				    NULL;
}

void run_explain_no_calls(const char *command, const struct stats *stats,
			  FILE *out)
{
	const char *obstacle = find_obstacle(command);

	if (atomic_load(&stats->loaded))
		cli_line(out,
			 "belfry run: no KVM call was seen; a program that"
			 " is static, or started with an empty environment,"
			 " runs without belfry");
	else if (obstacle)
		cli_line(out,
			 "belfry run: %s %s, and started no program that"
			 " loads belfry: it ran without belfry",
			 command, obstacle);
	else
		cli_line(out,
			 "belfry run: %s did not load the library: it ran"
			 " without belfry; if AppArmor confines it, it needs"
			 " the rules of doc/operators.md",
			 command);
}
