/* SPDX-License-Identifier: MIT */
/* Benchmarks: one function a layer. */
#ifndef BF_CLI_BENCH_H
#define BF_CLI_BENCH_H

int bench_memslots(int argc, char **argv);
int bench_srcu(int argc, char **argv);

#endif
