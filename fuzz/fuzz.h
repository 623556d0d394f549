/* SPDX-License-Identifier: MIT */
/* What libFuzzer calls, and what replays a corpus without it. */
#ifndef BF_FUZZ_FUZZ_H
#define BF_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Does what the bytes say; 0, or does not return. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
