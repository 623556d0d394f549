// SPDX-License-Identifier: MIT
/* The torture of a library that is broken on purpose: 0 when it was found. */
#include <stdio.h>

#include "cli.h"
#include "torture.h"
#include "torture_frame.h"

int main(int argc, char **argv)
{
	if (TORTURE(argc, argv) == CLI_FAILURE && torture.failing)
		return 0;
	fputs("torture: nothing was found\n", stderr);
	return 1;
}
