/* SPDX-License-Identifier: MIT */
/* The files of page/ by suffix, as strings that embed.py generated. */
#ifndef BF_CLI_TRACE_TEMPLATE_H
#define BF_CLI_TRACE_TEMPLATE_H

extern const char template_html[];
extern const char template_css[];
extern const char template_js[];

#endif
