/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_COMPARE_H
#define BF_CLI_COMPARE_H

/* belfry compare; see cli_command_fn. */
int cmd_compare(int argc, char **argv);

#endif
