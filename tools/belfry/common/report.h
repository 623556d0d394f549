/* SPDX-License-Identifier: MIT */
/*
 * Results of a command: rows, printed as an aligned text table or as one JSON
 * array of objects.
 *
 *	struct report *r = report_new(json);
 *	report_row(r, "memslot add", "us");
 *	report_number(r, "plain", "%.1f", 6312.0);
 *	report_goal(r, "<= 2 x quiet", met);
 *	report_print(r, stdout);
 *	report_free(r);
 *
 * In the table each key is a column.  Columns are in the order of first use.
 * The unit of a row follows its name in brackets, and a missed goal is marked.
 * In JSON each key is a member, and a number has at most four decimals.  The
 * key "peers.x" is the member x of an object "peers", and the column x.
 * If memory runs out, the process ends with one line.
 */
#ifndef BF_CLI_REPORT_H
#define BF_CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct report;

struct report *report_new(bool json);
void report_free(struct report *report);

/* Begin a row: members "name" and "unit". */
void report_row(struct report *report, const char *name, const char *unit);

/*
 * Add a number to the current row.  Only the table uses format, which is for
 * strfromd(): %, a precision, and one of e, f, g.  A value that is not finite
 * prints as "-" in the table and as null in JSON.
 */
void report_number(struct report *report, const char *key, const char *format,
		   double value);
/* Add the number of a peer, as a member of "peers". */
void report_peer(struct report *report, const char *name, const char *format,
		 double value);
void report_count(struct report *report, const char *key, uint64_t value);
void report_text(struct report *report, const char *key, const char *value);

/* Add the members "goal" and "met". */
void report_goal(struct report *report, const char *goal, bool met);

void report_print(struct report *report, FILE *out);

#endif
