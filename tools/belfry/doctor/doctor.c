// SPDX-License-Identifier: MIT
/* belfry doctor: does this machine have the problem, and which remedies? */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/doctor/doctor.h"
#include "tools/belfry/doctor/internal.h"

#define COMMAND "doctor"

/* The status of a machine or a command that has something to gain. */
#define STATUS_GAIN 1

static int print_help(void)
{
	puts("usage: belfry doctor [--json] [[--] COMMAND [ARGUMENTS]]\n"
	     "\n"
	     "Tells whether changes of a VM stall on this machine, and lists the\n"
	     "remedies, the best first, with the time that each saves here.\n"
	     "Measures on a throw-away VM for some 30 ms.  With a COMMAND, a VMM\n"
	     "that is not started, also tells which remedies fit it.\n"
	     "\n"
	     "  --json           print one JSON object\n"
	     "\n"
	     "The exit status is 0 if there is nothing to gain, 1 if there is\n"
	     "something, 2 for a wrong command line, and 77 if this machine has\n"
	     "no KVM.");
	return CLI_OK;
}

/* Exit status 1 has a meaning of its own here. */
static int skip(const char *reason)
{
	cli_fail(COMMAND, "%s", reason);
	return CLI_SKIPPED;
}

static int examine_machine(struct machine *machine)
{
	const char *problem = cli_kvm_problem();
	int ret;

	if (problem)
		return skip(problem);
	machine_read(machine);
	ret = machine_measure(machine);
	if (ret) {
		cli_fail(COMMAND, "cannot measure on a new VM: %s",
			 strerror(-ret));
		return CLI_SKIPPED;
	}
	machine_read_module(machine);
	return CLI_OK;
}

static int diagnose(char **argv, bool json)
{
	static struct command command;
	struct diagnosis diagnosis = {0};
	int status = CLI_OK;

	if (*argv) {
		status = command_read(&command, argv);
		diagnosis.command = &command;
	}
	if (!status)
		status = examine_machine(&diagnosis.machine);
	if (!status) {
		diagnosis_conclude(&diagnosis);
		(json ? diagnosis_print_json : diagnosis_print)(&diagnosis);
		status = cli_end_output(COMMAND, stdout, "the output");
	}
	if (!status && diagnosis.gain)
		status = STATUS_GAIN;
	diagnosis_free(&diagnosis);
	return status;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	bool json = false;
	int c;

	while ((c = cli_next_option(argc, argv, "+:hV", options)) != -1) {
		if (c == 'j')
			json = true;
		if (c == 'h')
			return print_help();
		if (c == 'V')
			return cli_print_version();
		if (c == '?' || c == ':')
			return cli_bad_option(COMMAND, c, argv);
	}
	return diagnose(argv + optind, json);
}
