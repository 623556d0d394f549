/* SPDX-License-Identifier: MIT */
/* belfry: finds the command and hands over. */
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/cli.h"

struct command {
	const char *name;
	const char *summary;
	cli_command_fn run;
};

static const struct command commands[] = {
	{"bench", "a layer beside others of its kind", cmd_bench},
	{"compare", "run a VMM plain and with belfry in turn, and compare",
	 cmd_compare},
	{"doorbell", "what a doorbell costs: kernel, user space, belfry",
	 cmd_doorbell},
	{"report", "print a trace of belfry run", cmd_report},
	{"run", "run a VMM with belfry under it and show its stalls", cmd_run},
	{"stall", "what a VM's changes cost, plain and through belfry",
	 cmd_stall},
	{"torture", "use a layer from many threads until it does wrong",
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
	     "belfry COMMAND --help tells what a command takes.");
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
 * What could not be written was not shown, so it is no success.  Of belfry run
 * there is only its help here: its program writes for itself.
 */
static int end(const char *command, int status)
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
		return end(NULL, run_option(argv[1]));

	command = find_command(argv[1]);
	if (!command)
		return cli_usage(NULL, "unknown command '%s'", argv[1]);
	return end(command->name, command->run(argc - 1, argv + 1));
}
