/* SPDX-License-Identifier: MIT */
/* Parts of belfry run that no other command uses. */
#ifndef BF_CLI_RUN_INTERNAL_H
#define BF_CLI_RUN_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "tools/belfry/common/output.h"
#include "tools/belfry/run/run.h"

struct run_options {
	struct run_settings settings;
	const char *output;   /* NULL: stderr */
	const char *trace;    /* NULL: none */
	const char *report;   /* NULL: none */
	unsigned long events; /* room for ordinary calls in a recording */
	bool json;
	bool all;   /* print each kind of call */
	bool quiet; /* print nothing */
	bool exec;  /* become the command */
	char **command;
};

/* The files of --trace and --report, and the recording behind them. */
struct run_record {
	const struct run_options *options;
	struct run_recording shared; /* empty unless an option asks for a file */
	struct output trace;
	struct output report;
};

/* Each of these returns an enum cli_status. */
int run_record_open(struct run_record *record);
int run_record_share(struct run_record *record);

/*
 * Write the files.  stats are a copy of the counters, status is the exit status
 * of the command.  A file that cannot be written is a line.
 */
void run_record_write(struct run_record *record, const struct stats *stats,
		      int status);

/* Files that were not written stay as they were. */
void run_record_close(struct run_record *record);

/* Print the counters of a command that has ended. */
void run_print(const struct stats *stats, const struct run_options *options,
	       FILE *out);

#endif
