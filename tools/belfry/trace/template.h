/* SPDX-License-Identifier: MIT */
/* The page of --report around its data, which embed.py made of page/. */
#ifndef BF_CLI_TRACE_TEMPLATE_H
#define BF_CLI_TRACE_TEMPLATE_H

extern const char page_before_data[];
extern const char page_after_data[];

#endif
