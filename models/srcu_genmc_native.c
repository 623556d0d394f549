// SPDX-License-Identifier: MIT
/*
 * Runs srcu_genmc.c as GenMC compiles it, without GenMC: many processes that
 * each execute the scenario once.  So the file that GenMC gets cannot become
 * wrong unnoticed, though one machine shows few of the executions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS	300
#define DROPPED 77 /* exit status of an execution that GenMC drops */

int scenario_main(void);

#define GENMC
#define main scenario_main
#include "srcu_genmc.c"
#undef main

void __VERIFIER_assume(int condition)
{
	if (!condition)
		_exit(DROPPED);
}

/* Returns the exit status of one execution; -1: it crashed. */
static int run_once(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(scenario_main());
	if (child < 0 || waitpid(child, &status, 0) != child ||
	    !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

int main(void)
{
	int i, status, complete = 0;

	for (i = 0; i < RUNS; i++) {
		status = run_once();
		if (status && status != DROPPED) {
			fputs("srcu_genmc: an execution failed\n", stderr);
			return EXIT_FAILURE;
		}
		complete += !status;
	}
	printf("%d executions, %d complete\n", RUNS, complete);
	return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
