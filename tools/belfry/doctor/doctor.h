/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_DOCTOR_H
#define BF_CLI_DOCTOR_H

/* belfry doctor; see cli_command_fn. */
int cmd_doctor(int argc, char **argv);

#endif
