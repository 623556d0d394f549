/* SPDX-License-Identifier: MIT */
/*
 * Reports of stalls and misuse, to the report hook or to the log; and tracking,
 * which keeps the open sections of each thread and the queued heads, so that a
 * report names the readers and misuse is found.  Only for domains with
 * ssp->tracked.
 */
#ifndef BF_SRCU_REPORT_H
#define BF_SRCU_REPORT_H

#include "belfry/srcu.h"

#define SRCU_REPORT_SIZE 2048

/* A text that grows; text beyond its size is cut off. */
struct bf_srcu_text {
	char buf[SRCU_REPORT_SIZE];
	size_t len;
};

void bf_srcu_text_add(struct bf_srcu_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds "function+0x12 (file)", or the address if there is no symbol. */
void bf_srcu_text_add_place(struct bf_srcu_text *text, void *place);

void bf_srcu_send_report(enum bf_srcu_report what,
			 const struct bf_srcu_text *text);

/* began: where the section began, or NULL. */
void bf_srcu_report_misuse(const struct bf_srcu *ssp, enum bf_srcu_report about,
			   const char *what, void *place, void *began);

/* The time until the grace period in progress has to be reported as stalled. */
uint64_t bf_srcu_stall_due_ns(const struct bf_srcu *ssp);

/* Reports a stall if it is due.  Lock held, dropped for the report. */
void bf_srcu_stall_check(struct bf_srcu *ssp);

/* Is tracking on, by call or by environment? */
bool bf_srcu_tracking(void);
void bf_srcu_track(bool on);

void bf_srcu_track_lock(struct bf_srcu *ssp, int idx, bool fast, void *place);

/*
 * Returns false, after a report, if there is no such section.  The exit must
 * not be counted then.
 */
bool bf_srcu_track_unlock(struct bf_srcu *ssp, int idx, bool fast, void *place);

/* Before a wait: reports if this thread is in a section of the domain. */
void bf_srcu_track_wait(struct bf_srcu *ssp, void *place);

/* Returns false, after a report, if the head is queued already. */
bool bf_srcu_track_queue(struct bf_srcu *ssp, struct bf_srcu_head *head,
			 void *place);
void bf_srcu_track_unqueue(struct bf_srcu_head *head);

/* Adds the threads that are in sections of the domain, with the places. */
void bf_srcu_track_describe(struct bf_srcu_text *text, struct bf_srcu *ssp);

/* Around a fork.  The child has the calling thread only, in no section. */
void bf_srcu_track_before_fork(void);
void bf_srcu_track_after_fork(bool in_child);

#endif
