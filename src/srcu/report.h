/* SPDX-License-Identifier: MIT */
/* Reports of stalls and misuse: to the report hook, or to the log. */
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

/*
 * The shorter of timeout_ns and the time until the grace period in progress
 * has to be reported as stalled.
 */
uint64_t bf_srcu_stall_timeout(const struct bf_srcu *ssp, uint64_t timeout_ns);

/* Reports a stall if it is due.  Lock held, dropped for the report. */
void bf_srcu_stall_check(struct bf_srcu *ssp);

#endif
