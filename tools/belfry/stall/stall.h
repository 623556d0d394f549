/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_STALL_H
#define BF_CLI_STALL_H

/* belfry stall; see cli_command_fn. */
int cmd_stall(int argc, char **argv);

#endif
