/* SPDX-License-Identifier: MIT */
/* What the parts of `belfry bench srcu` share. */
#ifndef BF_CLI_BENCH_SRCU_H
#define BF_CLI_BENCH_SRCU_H

#include <stdbool.h>

#include "belfry/srcu.h"
#include "tools/bench/common/bench.h"
#include "tools/bench/peers/peer.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/common/samples.h"

/* The library, as its peers are seen. */
extern const struct peer own_fenced, own_fast;
extern const struct peer own_expedited; /* fenced, with expedited callbacks */
extern struct srcu_struct bench_fenced, bench_fast;

int own_init(void);
int own_cleanup(void);

/*
 * A thread on the second CPU that calls step(peer) until it is stopped, inside
 * of the peer's thread_begin() and thread_end().
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

/* Rows that no peer has. */
void bench_two_threads(struct report *report);
void bench_paces(struct report *report);
void bench_idle(struct report *report);
void bench_membarriers(struct report *report);
void bench_domains(struct report *report);
void bench_memory(struct report *report);

#endif
