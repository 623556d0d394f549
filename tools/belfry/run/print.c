/* SPDX-License-Identifier: MIT */
/* The result of belfry run: a table and sums, or JSON. */
#include <inttypes.h>
#include <stdlib.h>

#include "tools/belfry/common/cli.h"
#include "preload/record/rows.h"
#include "tools/belfry/common/report.h"
#include "tools/belfry/run/internal.h"

#define US 1e3
#define MS 1e6

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void table_row(struct report *report, const struct stats_row *row)
{
	report_row(report, row->name, "us");
	report_count(report, "calls", row->calls);
	report_number(report, "total", "%.1f", (double)row->total_ns / US);
	report_number(report, "longest", "%.1f", (double)row->longest_ns / US);
	report_count(report, "stalls", row->stalls);
	report_number(report, "stalled", "%.1f", (double)row->stalled_ns / US);
	report_count(report, "errors", row->errors);
}

static void json_row(struct report *report, const struct stats_row *row)
{
	report_row(report, row->name, "us");
	report_number(report, "value", "%.1f", (double)row->total_ns / US);
	report_number(report, "peers.longest", "%.1f",
		      (double)row->longest_ns / US);
	report_number(report, "peers.stalled", "%.1f",
		      (double)row->stalled_ns / US);
	report_count(report, "calls", row->calls);
	report_count(report, "stalls", row->stalls);
	report_count(report, "errors", row->errors);
}

static void json_doorbells(struct report *report, const struct stats *stats)
{
	report_row(report, "doorbells assigned", "doorbells");
	report_count(report, "value", read_counter(&stats->assigned));
	report_count(report, "peers.deassigned",
		     read_counter(&stats->deassigned));
	report_count(report, "peers.never installed",
		     read_counter(&stats->never_installed));
	report_count(report, "peers.installed",
		     read_counter(&stats->installed));
	report_count(report, "peers.refused", read_counter(&stats->refused));
}

static void json_sums(struct report *report, const struct stats *stats,
		      const struct run_options *options)
{
	struct stats_sums sums;

	stats_sum(stats, &sums);
	json_doorbells(report, stats);
	report_row(report, "signals in user space", "signals");
	report_count(report, "value", sums.signals);
	report_count(report, "peers.KVM_RUN", sums.runs);
	report_row(report, "stalled", "ms");
	report_number(report, "value", "%.3f", (double)sums.stalled_ns / MS);
	report_number(report, "peers.longest", "%.3f",
		      (double)sums.longest_stall_ns / MS);
	report_count(report, "stalls", sums.stalls);
	report_row(report, "start to first KVM_RUN", "ms");
	report_number(report, "value", "%.3f",
		      (double)sums.to_first_run_ns / MS);
	report_number(report, "peers.exec to start", "%.3f",
		      (double)sums.loading_ns / MS);
	report_number(report, "peers.of that stalled", "%.3f",
		      (double)read_counter(&stats->stalled_before_run_ns) / MS);
	report_text(report, "policy", options->settings.policy);
	report_row(report, "VMs passed through", "VMs");
	report_count(report, "value", read_counter(&stats->passed_through));
	report_count(report, "peers.VMs", read_counter(&stats->vms));
}

static void print_doorbells(const struct stats *stats, uint64_t signals,
			    FILE *out)
{
	fprintf(out,
		"doorbells: %" PRIu64 " assigned, %" PRIu64
		" deassigned (%" PRIu64 " never installed), %" PRIu64
		" installed in the kernel, %" PRIu64
		" refused by the kernel; %" PRIu64 " signals in user space\n",
		read_counter(&stats->assigned),
		read_counter(&stats->deassigned),
		read_counter(&stats->never_installed),
		read_counter(&stats->installed), read_counter(&stats->refused),
		signals);
}

static void print_passed_through(const struct stats *stats, const char *before,
				 const char *after, FILE *out)
{
	uint64_t passed_through = read_counter(&stats->passed_through);

	if (passed_through)
		fprintf(out,
			"%s%" PRIu64 " of %" PRIu64
			" VMs passed through: see above%s",
			before, passed_through, read_counter(&stats->vms),
			after);
}

static void print_sums(const struct stats *stats,
		       const struct run_options *options, FILE *out)
{
	struct stats_sums sums;

	stats_sum(stats, &sums);
	print_doorbells(stats, sums.signals, out);
	fprintf(out, "policy %s: ", options->settings.policy);
	if (sums.to_first_run_ns)
		fprintf(out,
			"%.1f ms from exec to start, %.1f ms from there to the"
			" first KVM_RUN, of that %.1f ms stalled; in all ",
			(double)sums.loading_ns / MS,
			(double)sums.to_first_run_ns / MS,
			(double)read_counter(&stats->stalled_before_run_ns) /
				MS);
	fprintf(out,
		"%.1f ms in %" PRIu64 " stalls over 1 ms, %" PRIu64
		" KVM_RUN\n",
		(double)sums.stalled_ns / MS, sums.stalls, sums.runs);
	print_passed_through(stats, "", "\n", out);
}

static void print_stalled(const struct stats *stats,
			  const struct stats_sums *sums, FILE *out)
{
	if (sums->stalls)
		fprintf(out, "stalled: %.1f ms in %" PRIu64 " calls over 1 ms",
			(double)sums->stalled_ns / MS, sums->stalls);
	else
		fputs("stalled: no call over 1 ms", out);
	if (sums->to_first_run_ns)
		fprintf(out, "; %.1f of %.1f ms to the first KVM_RUN",
			(double)read_counter(&stats->stalled_before_run_ns) /
				MS,
			(double)sums->to_first_run_ns / MS);
	fputc('\n', out);
}

static void print_saved(const struct stats *stats,
			const struct stats_sums *sums, const char *policy,
			FILE *out)
{
	uint64_t assigned = read_counter(&stats->assigned);
	uint64_t installed = read_counter(&stats->installed);

	fprintf(out,
		"saved (policy %s): no call waited for %" PRIu64 " of %" PRIu64
		" doorbells, which stayed out of the kernel; %" PRIu64
		" signals in user space",
		policy, assigned > installed ? assigned - installed : 0,
		assigned, sums->signals);
	print_passed_through(stats, "; ", "", out);
	fputc('\n', out);
}

static void print_summary(const struct stats *stats,
			  const struct run_options *options, FILE *out)
{
	struct stats_sums sums;

	stats_sum(stats, &sums);
	print_stalled(stats, &sums, out);
	print_saved(stats, &sums, options->settings.policy, out);
}

static void print_rows(const struct stats_row *rows, size_t count,
		       const struct run_options *options,
		       const struct stats *stats, FILE *out)
{
	struct report *report = report_new(options->json);
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (!options->json && !options->all && !rows[i].stalls)
			continue;
		(options->json ? json_row : table_row)(report, &rows[i]);
		any = true;
	}
	if (options->json)
		json_sums(report, stats, options);
	if (options->json || any)
		report_print(report, out);
	report_free(report);
}

void run_print(const struct stats *stats, const struct run_options *options,
	       FILE *out)
{
	struct stats_row *rows = calloc(STATS_CALLS, sizeof(*rows));
	size_t count = rows ? stats_rows(stats, rows) : 0;

	if (!options->quiet && !options->json && !count) {
		run_explain_no_calls(options->command[0], stats, out);
	} else if (!options->quiet) {
		if (!options->json && !options->all)
			print_summary(stats, options, out);
		print_rows(rows, count, options, stats, out);
		if (options->all && !options->json)
			print_sums(stats, options, out);
	}
	free(rows);
}
