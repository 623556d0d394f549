// SPDX-License-Identifier: MIT
/* Concurrency Kit's epochs: the writer spins and runs its own callbacks. */
#include <ck_epoch.h>
#include <stdlib.h>

#include "peer.h"

static ck_epoch_t epoch;
static __thread ck_epoch_record_t *record;

static void thread_begin(void)
{
	static _Bool ready;

	if (!__atomic_exchange_n(&ready, 1, __ATOMIC_ACQ_REL))
		ck_epoch_init(&epoch);
	record = ck_epoch_recycle(&epoch, NULL);
	if (record)
		return;
	record = aligned_alloc(64, (sizeof(*record) + 63) / 64 * 64);
	if (!record)
		abort();
	ck_epoch_register(&epoch, record, NULL);
}

static void thread_end(void)
{
	ck_epoch_unregister(record);
}

static void read_loop(unsigned long count)
{
	while (count--) {
		ck_epoch_begin(record, NULL);
		ck_epoch_end(record, NULL);
		KEEP_LOOP();
	}
}

static void section(void (*inside)(void *arg), void *arg)
{
	ck_epoch_begin(record, NULL);
	inside(arg);
	ck_epoch_end(record, NULL);
}

static void synchronize(void)
{
	ck_epoch_synchronize(record);
}

extern const struct peer peer_ck_epoch;
const struct peer peer_ck_epoch = {
	.name = "ck_epoch",
	.thread_begin = thread_begin,
	.thread_end = thread_end,
	.read_loop = read_loop,
	.section = section,
	.synchronize = synchronize,
};
