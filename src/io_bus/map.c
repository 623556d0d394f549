// SPDX-License-Identifier: MIT
/* A bus as text: conflicts, and the map. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "io_bus/counters.h"
#include "io_bus/doorbell.h"
#include "io_bus/region.h"

/* "mmio"; buf is for spaces without a name. */
static const char *space_name(uint16_t space, char buf[16])
{
	static const char *const names[] = {
		[BF_IO_MMIO] = "mmio",
		[BF_IO_PIO] = "pio",
		[BF_IO_CCW] = "ccw",
	};

	if (space < ARRAY_SIZE(names))
		return names[space];
	snprintf(buf, 16, "space %u", space);
	return buf;
}

static int format_doorbell(const struct bf_io_party *party, char *buf,
			   size_t size)
{
	char match[32] = "any data", space[16];

	if (!party->wildcard)
		snprintf(match, sizeof(match), "datamatch %#" PRIx64,
			 party->datamatch);
	return snprintf(buf, size, "doorbell %s %#" PRIx64 " length %u, %s",
			space_name(party->space, space), party->addr,
			(unsigned int)party->size, match);
}

/* Prints the last address, because addr + size may be 2^64. */
static int format_region(const struct bf_io_party *party, char *buf,
			 size_t size)
{
	char space[16];

	return snprintf(buf, size, "%s %s%s%s [%#" PRIx64 ", %#" PRIx64 "]",
			party->kind == BF_IO_ZONE ? "zone" : "range",
			party->name, party->name[0] ? " " : "",
			space_name(party->space, space), party->addr,
			party->addr + (party->size - 1));
}

static int format_party(const struct bf_io_party *party, char *buf, size_t size)
{
	return party->kind == BF_IO_DOORBELL ?
		       format_doorbell(party, buf, size) :
		       format_region(party, buf, size);
}

int bf_io_conflict_format(const struct bf_io_conflict *conflict, char *buf,
			  size_t size)
{
	char wanted[128], existing[128];

	format_party(&conflict->wanted, wanted, sizeof(wanted));
	format_party(&conflict->existing, existing, sizeof(existing));
	return snprintf(buf, size, "%s collides with %s", wanted, existing);
}

/* A line of the map. */
struct line {
	struct bf_span span; /* a doorbell of any length has one byte */
	const struct bf_entry *entry;
	size_t order; /* of two zones, dispatch tries the lower one first */
	struct bf_io_stats stats;
};

struct lines {
	struct line *line;
	size_t count;
	size_t room;
};

static int lines_reserve(struct lines *lines)
{
	size_t room = lines->room ? 2 * lines->room : 64;
	struct line *more;

	if (lines->count < lines->room)
		return 0;
	more = realloc(lines->line, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	lines->line = more;
	lines->room = room;
	return 0;
}

/* A change may move the entry, so its address comes from the tree. */
static int lines_add(void *opaque, struct bf_span span, struct bf_entry *entry)
{
	struct lines *lines = opaque;
	struct line *line;
	int ret = lines_reserve(lines);

	if (ret)
		return ret;
	line = &lines->line[lines->count++];
	line->span = span;
	line->entry = entry;
	line->order = lines->count;
	bf_counters_sum(&entry->counters, &line->stats);
	return 0;
}

static int lines_add_space(struct lines *lines, const struct bf_io_roots *roots)
{
	int ret = bf_regions_each(&roots->ranges, lines_add, lines);

	if (!ret)
		ret = bf_regions_each(&roots->zones, lines_add, lines);
	if (!ret)
		ret = bf_doorbells_each(&roots->doorbells, lines_add, lines);
	return ret;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * Sorts by address, with an entry before those inside it.  Of two entries at
 * one place the one that dispatch tries later comes first, as if it contained
 * the other.
 */
static int compare_lines(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	const enum bf_io_kind ak = a->entry->kind, bk = b->entry->kind;
	int ret = compare(a->span.first, b->span.first);

	if (!ret)
		ret = compare(b->span.last, a->span.last);
	if (!ret)
		ret = (bk == BF_IO_RANGE) - (ak == BF_IO_RANGE);
	if (!ret)
		ret = (ak == BF_IO_DOORBELL) - (bk == BF_IO_DOORBELL);
	if (!ret)
		ret = compare(a->entry->datamatch, b->entry->datamatch);
	if (!ret)
		ret = compare(b->order, a->order);
	return ret;
}

static void print_doorbell(const struct line *line, FILE *out)
{
	const struct bf_entry *entry = line->entry;
	const struct bf_io_doorbell *doorbell = bf_doorbell_of(entry);

	fprintf(out, "%016" PRIx64 "                  doorbell, ",
		line->span.first);
	if (entry->size)
		fprintf(out, "length %u", (unsigned int)entry->size);
	else
		fputs("any length", out);
	if (entry->wildcard)
		fputs(", any data", out);
	else
		fprintf(out, ", datamatch %#" PRIx64, entry->datamatch);
	if (doorbell->counted)
		fprintf(out, ", signals %" PRIu64,
			bf_io_doorbell_signals(doorbell));
}

/*
 * The next span of the ranges of higher priorities that contains addr or begins
 * behind it, and that begins in the line's span.
 */
static bool next_cover(const struct bf_io_roots *roots, const struct line *line,
		       uint64_t addr, struct bf_span *cover)
{
	const struct bf_layer *layer = &roots->ranges;
	struct bf_span span;
	unsigned int before;
	bool found = false;

	before = bf_range_layers_before(roots, bf_range_level(line->entry));
	for (; before--; layer = &layer->next->layer) {
		if (!bf_span_next(layer->root, addr, &span) ||
		    (found && span.first > cover->first))
			continue;
		*cover = span;
		found = true;
	}
	return found && cover->first <= line->span.last;
}

static void print_piece(const char **before, uint64_t first, uint64_t last,
			FILE *out)
{
	fprintf(out, "%s%#" PRIx64 "-%#" PRIx64, *before, first, last);
	*before = " ";
}

/* The parts of a range that ranges of higher priorities leave to it. */
static void print_pieces(const struct bf_io_roots *roots,
			 const struct line *line, FILE *out)
{
	const char *before = ", answers ";
	uint64_t addr = line->span.first;
	struct bf_span cover = {0, 0};

	while (next_cover(roots, line, addr, &cover)) {
		if (cover.first > addr)
			print_piece(&before, addr, cover.first - 1, out);
		if (cover.last >= line->span.last) {
			fputs(*before == ',' ? ", answers nowhere" : "", out);
			return;
		}
		addr = cover.last + 1;
	}
	if (addr != line->span.first)
		print_piece(&before, addr, line->span.last, out);
}

static void print_range(const struct bf_io_roots *roots,
			const struct line *line, FILE *out)
{
	const int priority =
		(int)bf_range_level(line->entry) + BF_IO_PRIORITY_MIN;

	if (priority)
		fprintf(out, ", priority %d", priority);
	print_pieces(roots, line, out);
}

static void print_region(const struct bf_io_roots *roots,
			 const struct line *line, FILE *out)
{
	const struct bf_entry *entry = line->entry;

	fprintf(out, "%016" PRIx64 "-%016" PRIx64 " %s%s%s", line->span.first,
		line->span.last, entry->kind == BF_IO_ZONE ? "zone" : "range",
		entry->name[0] ? " " : "", entry->name);
	if (entry->kind == BF_IO_RANGE)
		print_range(roots, line, out);
}

static void print_stats(const struct bf_io_stats *stats, FILE *out)
{
	if (stats->reads || stats->writes)
		fprintf(out,
			" (%" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
			" ns)",
			stats->reads, stats->writes, stats->ns);
}

static void print_line(const struct bf_io_roots *roots, const struct line *line,
		       unsigned int depth, FILE *out)
{
	fprintf(out, "%*s", 4 + 2 * (int)depth, "");
	if (line->entry->kind == BF_IO_DOORBELL)
		print_doorbell(line, out);
	else
		print_region(roots, line, out);
	print_stats(&line->stats, out);
	fputc('\n', out);
}

/* The zones and ranges that contain the present address. */
struct open_spans {
	struct bf_span *span;
	size_t count;
};

/* Drops the spans that end before the address. */
static void close_before(struct open_spans *open, uint64_t addr)
{
	size_t i, kept = 0;

	for (i = 0; i < open->count; i++)
		if (open->span[i].last >= addr)
			open->span[kept++] = open->span[i];
	open->count = kept;
}

/* The number of open spans that contain the span. */
static unsigned int depth_of(const struct open_spans *open, struct bf_span span)
{
	unsigned int depth = 0;
	size_t i;

	for (i = 0; i < open->count; i++)
		depth += open->span[i].last >= span.last;
	return depth;
}

static int print_lines(const struct bf_io_roots *roots, struct lines *lines,
		       FILE *out)
{
	struct open_spans open = {calloc(lines->count, sizeof(*open.span)), 0};
	size_t i;

	if (!open.span)
		return -ENOMEM;
	qsort(lines->line, lines->count, sizeof(*lines->line), compare_lines);
	for (i = 0; i < lines->count; i++) {
		const struct line *line = &lines->line[i];

		close_before(&open, line->span.first);
		print_line(roots, line, depth_of(&open, line->span), out);
		if (line->entry->kind != BF_IO_DOORBELL)
			open.span[open.count++] = line->span;
	}
	free(open.span);
	return 0;
}

static int dump_space(const struct bf_io_state *state, unsigned int space,
		      FILE *out)
{
	struct lines lines = {0};
	char buf[16];
	int ret = lines_add_space(&lines, &state->space[space]);

	if (!ret && lines.count) {
		fprintf(out, "  %s\n", space_name((uint16_t)space, buf));
		ret = print_lines(&state->space[space], &lines, out);
	}
	free(lines.line);
	return ret;
}

int bf_io_dump(struct bf_io_bus *bus, FILE *out)
{
	const struct bf_io_state *state;
	unsigned int space;
	int idx, ret = 0;

	fprintf(out, "bus %s\n", bus->name);
	idx = srcu_read_lock(&bus->srcu);
	state = bf_bus_state(bus);
	for (space = 0; space < state->spaces && !ret; space++)
		ret = dump_space(state, space, out);
	srcu_read_unlock(&bus->srcu, idx);
	return ret || !ferror(out) ? ret : -EIO;
}
