/* SPDX-License-Identifier: MIT */
/* The tool belfry: runs the command that its first argument names. */
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/compare/compare.h"
#include "tools/belfry/doctor/doctor.h"
#include "tools/belfry/doorbell/doorbell.h"
#include "tools/belfry/report/report_trace.h"
#include "tools/belfry/run/run.h"
#include "tools/belfry/stall/stall.h"
#include "tools/bench/common/bench.h"
#include "tools/torture/common/torture.h"

struct command {
	const char *name;
	const char *summary;
	cli_command_fn run;
};

static const struct command commands[] = {
	{"bench", "measure a layer beside other implementations", cmd_bench},
	{"compare", "run a VMM plain and with belfry in turn, and compare",
	 cmd_compare},
	{"doctor", "tell whether a machine stalls, and which remedies it has",
	 cmd_doctor},
	{"doorbell",
	 "measure a doorbell in the kernel, in user space, in belfry",
	 cmd_doorbell},
	{"report", "print a trace of belfry run", cmd_report},
	{"run", "run a VMM with belfry under it and show its stalls", cmd_run},
	{"stall", "measure changes of a VM, plain and through belfry",
	 cmd_stall},
	{"torture", "use a layer from many threads until it fails",
	 cmd_torture},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
	puts("usage: belfry COMMAND [OPTIONS]\n"
	     "       belfry --help | --version\n"
	     "\n"
	     "commands:");
	for (size_t i = 0; i < NR_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	puts("\n"
	     "belfry COMMAND --help lists the options of a command.");
	return CLI_OK;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

/*
 * A command fails if its output was not written.  belfry run writes only its
 * help to stdout; the program that it runs writes the rest.
 */
static int end_command(const char *command, int status)
{
	if (status != CLI_OK)
		return status;
	return cli_end_output(command, stdout, "the output");
}

static int run_option(const char *option)
{
	if (!strcmp(option, "--help") || !strcmp(option, "-h"))
		return print_help();
	if (!strcmp(option, "--version") || !strcmp(option, "-V"))
		return cli_print_version();
	return cli_usage(NULL, "unknown option '%s'", option);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2)
		return cli_usage(NULL, "no command given");
	if (argv[1][0] == '-')
		return end_command(NULL, run_option(argv[1]));

	command = find_command(argv[1]);
	if (!command)
		return cli_usage(NULL, "unknown command '%s'", argv[1]);
	return end_command(command->name, command->run(argc - 1, argv + 1));
}
