// SPDX-License-Identifier: MIT
/*
 * The torture of a library that is broken on purpose: 0 when it was found.  A
 * crash is a find too: what is used after it was freed may be anything; and so
 * is an end that the torture puts to itself, in a handler or by its watchdog.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/torture/common/torture.h"
#include "tools/torture/common/actor.h"

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
	fputs("torture: nothing was found\n", stderr);
	return 1;
}
