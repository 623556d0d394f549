/* SPDX-License-Identifier: MIT */
#ifndef BF_CLI_REPORT_TRACE_H
#define BF_CLI_REPORT_TRACE_H

/* belfry report; see cli_command_fn. */
int cmd_report(int argc, char **argv);

#endif
