/* SPDX-License-Identifier: MIT */
/* Tortures: one function a layer. */
#ifndef BF_CLI_TORTURE_H
#define BF_CLI_TORTURE_H

int torture_io_bus(int argc, char **argv);
int torture_memslots(int argc, char **argv);
int torture_srcu(int argc, char **argv);
int torture_vcpus(int argc, char **argv);

#endif
