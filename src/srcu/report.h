/* SPDX-License-Identifier: MIT */
/* Reports of stalls and misuse, to the hook or to standard error. */
#ifndef BF_SRCU_REPORT_H
#define BF_SRCU_REPORT_H

#include "belfry/srcu.h"

#define SRCU_REPORT_SIZE 2048

/* A text that grows; what does not fit is cut off. */
struct srcu_text {
	char buf[SRCU_REPORT_SIZE];
	size_t len;
};

void srcu_text_add(struct srcu_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* "function+0x12 (file)", or the address where there is no symbol. */
void srcu_text_add_place(struct srcu_text *text, void *place);

void srcu_report(enum srcu_report what, const struct srcu_text *text);

#endif
