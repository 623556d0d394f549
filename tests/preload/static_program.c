/* SPDX-License-Identifier: MIT */
/* Starts its arguments, a program; without any it exits with status 5. */
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc > 1)
		execv(argv[1], argv + 1);
	return 5;
}
