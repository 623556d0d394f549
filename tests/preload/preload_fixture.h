/* SPDX-License-Identifier: MIT */
/* Runs testvmm alone and under belfry, for test_preload*.c. */
#ifndef BF_TESTS_PRELOAD_FIXTURE_H
#define BF_TESTS_PRELOAD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "preload/record/stats.h"

#define OUTPUT_MAX 16384

/* The result of one run. */
struct result {
	int status;
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
	struct stats stats;
};

/* The last run alone, and the last run under belfry. */
extern struct result alone, under;

/* Runs one scenario.  @policy NULL: alone. */
void run_scenario(struct result *result, const char *scenario,
		  const char *policy);

/* Runs it under @policy; the output and status must be those of alone. */
void compare_scenario(const char *scenario, const char *policy);

/* Runs it alone, then compares it under every policy, "first-run" last. */
void compare_all_policies(const char *scenario);

/* Sums over all vCPUs: signals in user space, and KVM_RUN calls. */
uint64_t signals(const struct stats *stats);
uint64_t runs(const struct stats *stats);

/* The counters of a call; NULL: the program did not make it. */
const struct stats_call *find_call(const struct stats *stats, uint32_t key);

/* Returns 0, and prints why, if the machine has no KVM. */
int preload_has_kvm(void);

#endif
