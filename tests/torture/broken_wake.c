// SPDX-License-Identifier: MIT
/*
 * Runs the torture of a library in which readers make no wakes; returns 0 if
 * the watchdog ends it with status 1 and names the threads that wait.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/torture/common/torture.h"

static pid_t start(int argc, char **argv, int err)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	dup2(err, STDERR_FILENO);
	exit(torture_srcu(argc, argv));
}

static bool says(FILE *file, const char *what)
{
	char line[512];
	bool found = false;

	rewind(file);
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, what) != NULL;
	return found;
}

int main(int argc, char **argv)
{
	FILE *err = tmpfile();
	int status;
	pid_t pid;

	if (!err)
		return 1;
	pid = start(argc, argv, fileno(err));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CLI_FAILURE &&
	    says(err, "no progress for ") && says(err, ": polls: ") &&
	    says(err, " grace periods, "))
		return 0;
	fprintf(stderr, "torture: not ended by the watchdog: status %#x\n",
		(unsigned int)status);
	return 1;
}
