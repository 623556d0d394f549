/* SPDX-License-Identifier: MIT */
/*
 * Results of a command: the same rows as an aligned text table or as one JSON
 * array of objects.
 *
 *	struct report *r = report_new(json);
 *	report_row(r, "memslot add", "us");
 *	report_number(r, "plain", "%.1f", 6312.0);
 *	report_goal(r, "<= 2 x quiet", met);
 *	report_print(r, stdout);
 *	report_free(r);
 *
 * In the table each key is a column, in the order of first use, the row's
 * unit stands in brackets behind its name, and a missed goal is marked.  In
 * JSON each key is a member, a number has four decimals at most; a key
 * "peers.x" is the member x of an object "peers", and the column x.  Out of
 *memory ends the process with one line.
 */
#ifndef BF_CLI_REPORT_H
#define BF_CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct report;

struct report *report_new(bool json);
void report_free(struct report *report);

/* Begins a row: members "name" and "unit". */
void report_row(struct report *report, const char *name, const char *unit);

/*
 * Members of the current row.  format is for the table alone, and one that
 * strfromd() takes: %, a precision, one of e, f, g.  What is not a finite
 * number is "-" there and null in JSON.
 */
void report_number(struct report *report, const char *key, const char *format,
		   double value);
/* The number of a peer, a member of "peers". */
void report_peer(struct report *report, const char *name, const char *format,
		 double value);
void report_count(struct report *report, const char *key, uint64_t value);
void report_text(struct report *report, const char *key, const char *value);

/* Members "goal" and "met". */
void report_goal(struct report *report, const char *goal, bool met);

void report_print(struct report *report, FILE *out);

#endif
