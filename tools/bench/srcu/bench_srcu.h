/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_BENCH_SRCU_H
#define BF_CLI_BENCH_SRCU_H

#include <stdbool.h>

#include "belfry/srcu.h"
#include "tools/bench/common/bench.h"
#include "tools/bench/peers/peer.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"

/* The library in the form of a peer. */
extern const struct peer own_fenced, own_fast;
extern const struct peer own_unused_fenced, own_unused_fast;
extern const struct peer own_expedited; /* fenced, with expedited callbacks */
extern struct srcu_struct bench_fenced, bench_fast;

/* The least that a reader does: two plain increments, and a fence. */
extern const struct peer two_cpu_increments, two_sequences, two_increments;
extern const struct peer two_increments_fence;

int own_init(void);
int own_cleanup(void);

/*
 * A thread on the second CPU that calls step(peer) until helper_stop(), between
 * the peer's thread_begin() and thread_end().
 */
struct helper;
struct helper *helper_start(void (*step)(const struct peer *peer),
			    const struct peer *peer);
void helper_stop(struct helper *helper);
/* Steps for it. */
void step_read(const struct peer *peer);
void step_sleep_50ms(const struct peer *peer);

/* One sample each: nanoseconds a pair, or microseconds. */
double measure_pair(const struct peer *peer);
double measure_pair_of_two(const struct peer *peer);
double measure_sync(const struct peer *peer);
double measure_sync_beside_reader(const struct peer *peer);
double measure_sync_beside_sleeper(const struct peer *peer);
double measure_sync_beside_no_reader(const struct peer *peer);
double measure_wake(const struct peer *peer);
double measure_call(const struct peer *peer);
double measure_barrier(const struct peer *peer);
double measure_transfer(const struct peer *peer);

/* Rows without peers. */
void bench_two_threads(struct report *report);
void bench_never_updated(struct report *report);
void bench_paces(struct report *report);
void bench_idle(struct report *report);
void bench_membarriers(struct report *report);
void bench_domains(struct report *report);
void bench_flood(struct report *report);
void bench_memory(struct report *report);

#endif
