/* SPDX-License-Identifier: MIT */
/* Room for events, and who writes them. */
#ifndef BF_PRELOAD_RECORD_EVENT_H
#define BF_PRELOAD_RECORD_EVENT_H

#include <stdbool.h>

#include "preload/record/record.h"

/*
 * Room for an event of this thread, with its thread and nothing else set; in
 * kept[] or in the thread's chunk.  NULL, and counted, where there is none.
 */
struct recorded_event *record_event(bool keep, struct record_who who);

/* The event is written, and stands in the recording. */
void record_done(struct recorded_event *event, enum recorded_kind kind);

/* An event of kept[] that takes no time. */
void record_instant(enum recorded_kind kind, struct record_who who,
		    uint32_t doorbell, int error, uint64_t now);

/* The row of a VM by number; NULL for 0 and where there are too many. */
struct recorded_vm *record_vm_row(uint32_t vm);

/* In the child of a fork. */
void record_forget_threads(void);

#endif
