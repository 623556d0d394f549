/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_DOORBELL_H
#define BF_CLI_DOORBELL_H

/* belfry doorbell; see cli_command_fn. */
int cmd_doorbell(int argc, char **argv);

#endif
