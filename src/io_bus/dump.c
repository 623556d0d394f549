// SPDX-License-Identifier: MIT
/*
 * The map of a bus, from one state of it, in a section.  What a change may
 * alter in an entry is taken from where the state has it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io_bus/conflict.h"
#include "io_bus/doorbell.h"
#include "io_bus/range.h"
#include "base/util.h"

struct line {
	enum bf_io_kind kind;
	struct bf_span span; /* a doorbell of any length has one byte */
	const char *name;    /* of a region, or NULL */
	uint32_t len;	     /* of a doorbell */
	bool wildcard;
	uint64_t datamatch;
	bool counted;
	uint64_t rings;
	struct bf_io_stats stats;
};

struct lines {
	struct line *line;
	size_t count;
	size_t room;
	uint64_t addr; /* where doorbells are being gathered */
};

static int add_line(struct lines *lines, const struct line *line)
{
	size_t room = lines->room ? 2 * lines->room : 64;
	struct line *more;

	if (lines->count == lines->room) {
		more = realloc(lines->line, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		lines->line = more;
		lines->room = room;
	}
	lines->line[lines->count++] = *line;
	return 0;
}

static int add_region(void *opaque, struct bf_span span,
		      struct bf_span_entry *entry)
{
	const struct bf_region *region = bf_region_of(entry);
	struct line line = {
		.kind = region->kind,
		.span = span,
		.name = region->name,
	};

	if (region->kind == BF_IO_RANGE)
		bf_io_range_stats(container_of(region, struct bf_io_range,
					       region),
				  &line.stats);
	return add_line(opaque, &line);
}

static int add_doorbell(void *opaque, struct bf_io_doorbell *doorbell)
{
	struct lines *lines = opaque;
	uint64_t more = doorbell->len ? doorbell->len - 1 : 0;
	struct line line = {
		.kind = BF_IO_DOORBELL,
		.span = {lines->addr, lines->addr + more},
		.len = doorbell->len,
		.wildcard = doorbell->wildcard,
		.datamatch = doorbell->datamatch,
		.counted = doorbell->counted,
		.rings = bf_io_doorbell_rings(doorbell),
	};

	bf_io_doorbell_stats(doorbell, &line.stats);
	return add_line(lines, &line);
}

static int add_addr(void *opaque, struct bf_trie_entry *entry)
{
	const struct bf_bell_addr *at = bf_bell_addr_of(entry);
	struct lines *lines = opaque;

	lines->addr = bf_trie_key(entry->hash);
	return bf_bell_each(at, add_doorbell, lines);
}

static int gather(const struct bf_io_roots *roots, struct lines *lines)
{
	int ret;

	ret = bf_span_each(roots->ranges, add_region, lines);
	if (!ret)
		ret = bf_span_each(roots->zones, add_region, lines);
	if (!ret)
		ret = bf_trie_each(roots->doorbells, add_addr, lines);
	return ret;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * By address, what contains others before them; at one place what is asked
 * later comes first, as if the other lay inside.
 */
static int by_place(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int ret = compare(a->span.first, b->span.first);

	if (!ret)
		ret = compare(b->span.last, a->span.last);
	if (!ret)
		ret = (b->kind == BF_IO_RANGE) - (a->kind == BF_IO_RANGE);
	if (!ret)
		ret = (a->kind == BF_IO_DOORBELL) - (b->kind == BF_IO_DOORBELL);
	if (!ret)
		ret = compare(a->datamatch, b->datamatch);
	return ret;
}

static void print_doorbell(const struct line *line, FILE *out)
{
	fprintf(out, "%016" PRIx64 "                  doorbell, ",
		line->span.first);
	if (line->len)
		fprintf(out, "length %u", line->len);
	else
		fputs("any length", out);
	if (line->wildcard)
		fputs(", any data", out);
	else
		fprintf(out, ", datamatch %#" PRIx64, line->datamatch);
	if (line->counted)
		fprintf(out, ", rung %" PRIu64, line->rings);
}

static void print_region(const struct line *line, FILE *out)
{
	fprintf(out, "%016" PRIx64 "-%016" PRIx64 " %s%s%s", line->span.first,
		line->span.last, line->kind == BF_IO_ZONE ? "zone" : "range",
		line->name[0] ? " " : "", line->name);
}

static void print_stats(const struct bf_io_stats *stats, FILE *out)
{
	if (stats->reads || stats->writes)
		fprintf(out,
			" (%" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64
			" ns)",
			stats->reads, stats->writes, stats->ns);
}

static void print_line(const struct line *line, unsigned int depth, FILE *out)
{
	fprintf(out, "%*s", 4 + 2 * (int)depth, "");
	if (line->kind == BF_IO_DOORBELL)
		print_doorbell(line, out);
	else
		print_region(line, out);
	print_stats(&line->stats, out);
	fputc('\n', out);
}

/* Zones and ranges are disjoint, so one of each at most is open at a place. */
struct open_spans {
	struct bf_span span[2];
	unsigned int count;
};

/* Forgets those that end before the address. */
static void close_before(struct open_spans *open, uint64_t addr)
{
	unsigned int i, kept = 0;

	for (i = 0; i < open->count; i++)
		if (open->span[i].last >= addr)
			open->span[kept++] = open->span[i];
	open->count = kept;
}

/* In how many of them does it lie whole? */
static unsigned int depth_of(const struct open_spans *open, struct bf_span span)
{
	unsigned int i, depth = 0;

	for (i = 0; i < open->count; i++)
		depth += open->span[i].last >= span.last;
	return depth;
}

static void print_lines(struct lines *lines, FILE *out)
{
	struct open_spans open = {.count = 0};
	size_t i;

	if (lines->count)
		qsort(lines->line, lines->count, sizeof(*lines->line),
		      by_place);
	for (i = 0; i < lines->count; i++) {
		const struct line *line = &lines->line[i];

		close_before(&open, line->span.first);
		print_line(line, depth_of(&open, line->span), out);
		if (line->kind != BF_IO_DOORBELL)
			open.span[open.count++] = line->span;
	}
}

static int dump_space(const struct bf_io_state *state, unsigned int space,
		      FILE *out)
{
	struct lines lines = {0};
	char buf[16];
	int ret = gather(&state->space[space], &lines);

	if (!ret && lines.count) {
		fprintf(out, "  %s\n", bf_io_space_name((uint16_t)space, buf));
		print_lines(&lines, out);
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
	state = srcu_dereference(bus->state, &bus->srcu);
	for (space = 0; space < BF_IO_SPACES && !ret; space++)
		ret = dump_space(state, space, out);
	srcu_read_unlock(&bus->srcu, idx);
	return ret || !ferror(out) ? ret : -EIO;
}
