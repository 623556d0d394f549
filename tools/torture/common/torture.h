/* SPDX-License-Identifier: MIT */
/* Tortures: a function for each layer. */
#ifndef BF_CLI_TORTURE_H
#define BF_CLI_TORTURE_H

/* belfry torture; see cli_command_fn. */
int cmd_torture(int argc, char **argv);

/* The layers of belfry torture; see cli_command_fn. */
int torture_io_bus(int argc, char **argv);
int torture_memslots(int argc, char **argv);
int torture_srcu(int argc, char **argv);
int torture_vcpus(int argc, char **argv);

#endif
