/* SPDX-License-Identifier: MIT */
/*
 * A vCPU table beside its model: both get the same calls, which depend on a
 * sequence of numbers alone, and must return the same results.
 */
#ifndef BF_TESTS_VCPUS_MODEL_H
#define BF_TESTS_VCPUS_MODEL_H

#include <stdint.h>

/* The most steps of a run. */
#define VCPUS_MODEL_STEPS 15000

/* An empty table with flags of struct bf_vcpus_config. */
void vcpus_model_begin(uint64_t (*next)(void), unsigned int flags);

/*
 * A call that the numbers choose; 1,000 steps that fill the table, then 1,000
 * that empty it.
 */
void vcpus_model_step(unsigned int number);

/* Ends the run.  Returns NULL, or the first difference. */
const char *vcpus_model_end(void);

#endif
