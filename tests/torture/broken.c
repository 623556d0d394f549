// SPDX-License-Identifier: MIT
/*
 * Runs the torture of a mutated library; returns 0 if the torture detects the
 * mutation.  A crash is a detection too, because a mutation may lead to a use
 * after free.  So is an exit of the torture in a handler or by its watchdog.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/thread.h"

enum child_status {
	FOUND,
	ENDED = CLI_FAILURE,
	NOT_FOUND,
};

static int run(int argc, char **argv)
{
	int status = TORTURE(argc, argv);

	return status == CLI_FAILURE && torture.failing ? FOUND : NOT_FOUND;
}

static bool found(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status) == FOUND ||
		       WEXITSTATUS(status) == ENDED;
	return WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS ||
	       WTERMSIG(status) == SIGABRT;
}

int main(int argc, char **argv)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(run(argc, argv));
	if (child > 0 && waitpid(child, &status, 0) == child && found(status))
		return 0;
	fputs("torture: the mutation was not detected\n", stderr);
	return 1;
}
