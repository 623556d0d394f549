/* SPDX-License-Identifier: MIT */
/* Runs of tiny_vmm, alone and with belfry under it; for test_preload*.c. */
#ifndef BF_TESTS_PRELOAD_FIXTURE_H
#define BF_TESTS_PRELOAD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "preload/record/stats.h"

#define OUTPUT_MAX 16384

/* What a program left behind. */
struct result {
	int status;
	char out[OUTPUT_MAX];
	char err[OUTPUT_MAX];
	struct stats stats;
};

/* The last run without belfry, and the last one with it. */
extern struct result alone, under;

/* BELFRY_RINGS of the runs: "16", or "" for what belfry finds out. */
extern const char *preload_rings;

/* One scenario; policy NULL: without belfry. */
void run(struct result *result, const char *scenario, const char *policy);

/* Runs it under a policy, and wants what it did alone. */
void compare(const char *scenario, const char *policy);

/* Alone, then under every policy; the last is "first-run". */
void compare_all(const char *scenario);

/* Over all vCPUs: doorbells rung in user space, and KVM_RUN calls. */
uint64_t rings(const struct stats *stats);
uint64_t runs(const struct stats *stats);

/* What was counted of a call; NULL: it was not made. */
const struct stats_call *find_call(const struct stats *stats, uint32_t key);

/* 0 where there is none, having said so. */
int preload_has_kvm(void);

#endif
