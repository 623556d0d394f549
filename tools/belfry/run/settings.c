/* SPDX-License-Identifier: MIT */
/* Options of belfry run and compare that are settings of the library. */
#include <getopt.h>
#include <string.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/run/run.h"
#include "base/util.h"

const char run_settings_help[] =
	"  --policy POLICY  when a doorbell reaches the kernel:\n"
	"                     lazy       after many signals, in a quiet"
	" moment (default)\n"
	"                     first-run  in a batch, at the first KVM_RUN"
	"\n"
	"                     never      not at all\n"
	"                     eager      at once\n"
	"  --install-after N\n"
	"                   lazy: install after N signals in user space"
	" (default\n"
	"                   1000)\n"
	"  --quiet-ms N     lazy: install after N ms without a change of the"
	" VM\n"
	"                   (default 10)\n"
	"  --zones WHEN     coalesced zones reach the kernel: deferred, by"
	" the policy\n"
	"                   (default), or at-once\n";

static int set_policy(struct run_settings *settings, const char *command,
		      const char *policy)
{
	static const char *const policies[] = {
		"lazy",
		"first-run",
		"never",
		"eager",
	};

	for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
		if (!strcmp(policy, policies[i])) {
			settings->policy = policy;
			return CLI_OK;
		}
	}
	return cli_usage(command,
			 "unknown policy '%s': lazy, first-run, never or eager",
			 policy);
}

static int set_number(const char **number, const char *command,
		      const char *option, const char *text)
{
	unsigned long value;

	if (cli_parse_count(text, 1, UINT32_MAX, &value))
		return cli_usage(command, "'%s': --%s takes a number from 1 up",
				 text, option);
	*number = text;
	return CLI_OK;
}

static int set_zones(struct run_settings *settings, const char *command,
		     const char *zones)
{
	if (strcmp(zones, "deferred") && strcmp(zones, "at-once"))
		return cli_usage(command,
				 "'%s': --zones takes deferred or at-once",
				 zones);
	settings->zones = zones;
	return CLI_OK;
}

int run_set(struct run_settings *settings, const char *command, int c,
	    char **argv)
{
	switch (c) {
	case 'i':
		return set_number(&settings->install_after, command,
				  "install-after", optarg);
	case 'P':
		return set_policy(settings, command, optarg);
	case 'q':
		return set_number(&settings->quiet_ms, command, "quiet-ms",
				  optarg);
	case 'r': /* until 0.1 */
		return cli_usage(command, "--rings is now --install-after");
	case 'z':
		return set_zones(settings, command, optarg);
	}
	return cli_bad_option(command, c, argv);
}
