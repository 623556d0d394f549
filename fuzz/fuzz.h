/* SPDX-License-Identifier: MIT */
/* The entry point of a fuzz target, for libFuzzer and for replay.c. */
#ifndef BF_FUZZ_FUZZ_H
#define BF_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Runs one input.  Returns 0, or aborts on an error. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
