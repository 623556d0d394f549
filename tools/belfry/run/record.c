/* SPDX-License-Identifier: MIT */
/* The files of --trace and --report. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/run/internal.h"
#include "tools/belfry/trace/trace.h"

static int open_file(FILE **file, const char *name)
{
	if (!name)
		return CLI_OK;
	*file = fopen(name, "we");
	if (*file)
		return CLI_OK;
	return cli_fail("run", "cannot write %s: %s", name, strerror(errno));
}

/*
 * An outer belfry run may have set BELFRY_RECORDING.  Its recording must not
 * receive the events of this command.
 */
int run_record_begin(struct run_record *record,
		     const struct run_options *options)
{
	int status;

	*record = (struct run_record){0};
	unsetenv("BELFRY_RECORDING");
	status = open_file(&record->trace, options->trace);
	if (!status)
		status = open_file(&record->report, options->report);
	if (!status && (options->trace || options->report))
		status = run_share_recording(&record->shared, options->events);
	return status;
}

static int end_file(FILE *file, const char *name)
{
	return file ? cli_close_output("run", file, name) : CLI_OK;
}

int run_record_end(struct run_record *record, struct stats *stats,
		   const struct run_options *options, int status)
{
	struct trace trace = {
		.recording = record->shared.recording,
		.stats = stats,
		.command = options->command,
		.policy = options->settings.policy,
		.status = status,
		.end = stats_now(),
	};
	int trace_status, report_status;

	if (stats && trace.recording) {
		trace.begin = stats->started_ns;
		trace_gather(&trace);
		if (record->trace)
			trace_write(&trace, false, record->trace);
		if (record->report)
			trace_write_page(&trace, record->report);
		trace_free(&trace);
	}
	run_unshare_recording(&record->shared);
	trace_status = end_file(record->trace, options->trace);
	report_status = end_file(record->report, options->report);
	return trace_status ? trace_status : report_status;
}
