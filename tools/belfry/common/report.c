/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tools/belfry/common/json.h"
#include "tools/belfry/common/xalloc.h"

#define TEXT_SIZE 64 /* bytes for a number as text */

struct cell {
	size_t column;
	char *text;
};

struct row {
	char *title;
	struct cell *cells;
	size_t nr_cells;
	struct json_object *json;
};

struct column {
	char *key;
	bool is_text; /* aligned left; numbers are aligned right */
};

struct report {
	bool json;
	struct row *rows;
	size_t nr_rows;
	struct column *columns;
	size_t nr_columns;
};

struct report *report_new(bool json)
{
	struct report *report = xgrow(NULL, 0, 1, sizeof(*report));

	report->json = json;
	return report;
}

static void free_row(struct row *row)
{
	size_t i;

	for (i = 0; i < row->nr_cells; i++)
		free(row->cells[i].text);
	free(row->cells);
	free(row->title);
	json_object_put(row->json);
}

void report_free(struct report *report)
{
	size_t i;

	for (i = 0; i < report->nr_rows; i++)
		free_row(&report->rows[i]);
	for (i = 0; i < report->nr_columns; i++)
		free(report->columns[i].key);
	free(report->rows);
	free(report->columns);
	free(report);
}

static struct row *current_row(struct report *report)
{
	return &report->rows[report->nr_rows - 1];
}

/* Rows as JSON. */

/* Return the object that the key names before its dot; create it if needed. */
static struct json_object *inner_object(struct json_object *outer,
					const char *key, size_t length)
{
	struct json_object *inner;
	char *name = xcheck(strndup(key, length));

	if (!json_object_object_get_ex(outer, name, &inner)) {
		inner = json_new();
		json_set(outer, name, inner);
	}
	free(name);
	return inner;
}

/* "peers.x" is the member x of the object "peers". */
static void add_json(struct report *report, const char *key,
		     struct json_object *value)
{
	struct json_object *to = current_row(report)->json;
	const char *dot = strchr(key, '.');

	if (dot) {
		to = inner_object(to, key, (size_t)(dot - key));
		key = dot + 1;
	}
	json_set(to, key, value);
	/* Each row with a value has an object of peers, which may be empty. */
	if (!strcmp(key, "value"))
		inner_object(to, "peers", strlen("peers"));
}

static void add_json_text(struct report *report, const char *key,
			  const char *value)
{
	add_json(report, key, json_text(value));
}

/* Four decimals are finer than any measurement here. */
static struct json_object *json_number(double value)
{
	char text[TEXT_SIZE];
	size_t end;

	end = (size_t)snprintf(text, sizeof(text), "%.4f", value);
	if (!isfinite(value) || end >= sizeof(text))
		return NULL; /* null in JSON */
	while (text[end - 1] == '0')
		text[--end] = 0;
	if (text[end - 1] == '.')
		text[--end] = 0;
	return xcheck(json_object_new_double_s(value, text));
}

/* Rows as a table. */

static size_t find_column(struct report *report, const char *key)
{
	size_t i;

	for (i = 0; i < report->nr_columns; i++)
		if (!strcmp(report->columns[i].key, key))
			return i;
	report->columns =
		xgrow(report->columns, i, i + 1, sizeof(*report->columns));
	report->columns[i].key = xstrdup(key);
	report->nr_columns++;
	return i;
}

/* A cell is one line without control characters. */
static char *clean_copy(const char *text)
{
	char *copy = xstrdup(text);

	text_clean(copy, strlen(copy), 0);
	return copy;
}

static struct column *add_cell(struct report *report, const char *key,
			       const char *text)
{
	struct row *row = current_row(report);
	size_t n = row->nr_cells++;

	row->cells = xgrow(row->cells, n, n + 1, sizeof(*row->cells));
	row->cells[n].column = find_column(report, key);
	row->cells[n].text = clean_copy(text);
	return &report->columns[row->cells[n].column];
}

/* The heading of "peers.x" is "x". */
static const char *heading(const struct report *report, size_t column)
{
	const char *key = report->columns[column].key;
	const char *dot = strrchr(key, '.');

	return dot ? dot + 1 : key;
}

static const char *text_of(const struct row *row, size_t column)
{
	size_t i;

	for (i = 0; i < row->nr_cells; i++)
		if (row->cells[i].column == column)
			return row->cells[i].text;
	return "";
}

static size_t max_size(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Widths of the title, first, and of each column. */
static size_t *find_widths(const struct report *report)
{
	size_t *widths =
		xgrow(NULL, 0, report->nr_columns + 1, sizeof(*widths));
	size_t i, j;

	for (j = 0; j < report->nr_columns; j++)
		widths[j + 1] = strlen(heading(report, j));
	for (i = 0; i < report->nr_rows; i++) {
		const struct row *row = &report->rows[i];

		widths[0] = max_size(widths[0], strlen(row->title));
		for (j = 0; j < row->nr_cells; j++) {
			size_t *width = &widths[row->cells[j].column + 1];

			*width = max_size(*width, strlen(row->cells[j].text));
		}
	}
	return widths;
}

/*
 * Blanks are printed only in front of the next text, so that a line does not
 * end with blanks.
 */
static void print_padded(FILE *out, size_t *blanks, const char *text,
			 size_t width, bool left)
{
	size_t pad = width - strlen(text);

	if (!left)
		*blanks += pad;
	if (*text) {
		fprintf(out, "%*s%s", (int)*blanks, "", text);
		*blanks = 0;
	}
	if (left)
		*blanks += pad;
}

/* Print a row, or the headings if row is NULL. */
static void print_line(const struct report *report, const struct row *row,
		       const size_t *widths, FILE *out)
{
	size_t blanks = 0;
	size_t j;

	print_padded(out, &blanks, row ? row->title : "", widths[0], true);
	for (j = 0; j < report->nr_columns; j++) {
		blanks += 2;
		print_padded(out, &blanks,
			     row ? text_of(row, j) : heading(report, j),
			     widths[j + 1], report->columns[j].is_text);
	}
	fputc('\n', out);
}

static void print_table(const struct report *report, FILE *out)
{
	size_t *widths = find_widths(report);
	size_t i;

	print_line(report, NULL, widths, out);
	for (i = 0; i < report->nr_rows; i++)
		print_line(report, &report->rows[i], widths, out);
	free(widths);
}

static void print_json(const struct report *report, FILE *out)
{
	struct json_object *array = json_new_array();
	size_t i;

	for (i = 0; i < report->nr_rows; i++)
		json_push(array, json_object_get(report->rows[i].json));
	json_print(array, out);
}

/* Rows of either form. */

/* Rows double in number, so that each is moved twice on average. */
static struct row *add_row(struct report *report)
{
	size_t n = report->nr_rows++;

	if (!(n & (n - 1)))
		report->rows = xgrow(report->rows, n, n ? 2 * n : 1,
				     sizeof(*report->rows));
	return &report->rows[n];
}

void report_row(struct report *report, const char *name, const char *unit)
{
	struct row *row = add_row(report);
	char *title = xasprintf("%s [%s]", name, unit);

	row->title = clean_copy(title);
	free(title);
	if (!report->json)
		return;
	row->json = json_new();
	add_json_text(report, "name", name);
	add_json_text(report, "unit", unit);
}

void report_number(struct report *report, const char *key, const char *format,
		   double value)
{
	char text[TEXT_SIZE] = "-";

	if (report->json) {
		add_json(report, key, json_number(value));
		return;
	}
	if (isfinite(value))
		strfromd(text, sizeof(text), format, value);
	add_cell(report, key, text);
}

void report_peer(struct report *report, const char *name, const char *format,
		 double value)
{
	char key[40];

	snprintf(key, sizeof(key), "peers.%s", name);
	report_number(report, key, format, value);
}

void report_count(struct report *report, const char *key, uint64_t value)
{
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	if (report->json)
		add_json(report, key, xcheck(json_object_new_uint64(value)));
	else
		add_cell(report, key, text);
}

void report_text(struct report *report, const char *key, const char *value)
{
	if (report->json)
		add_json_text(report, key, value);
	else
		add_cell(report, key, value)->is_text = true;
}

void report_goal(struct report *report, const char *goal, bool met)
{
	char *text;

	if (report->json) {
		add_json_text(report, "goal", goal);
		add_json(report, "met", xcheck(json_object_new_boolean(met)));
		return;
	}
	text = xasprintf("%s%s", goal, met ? "" : " MISSED");
	add_cell(report, "goal", text)->is_text = true;
	free(text);
}

void report_print(struct report *report, FILE *out)
{
	if (report->json)
		print_json(report, out);
	else
		print_table(report, out);
}
