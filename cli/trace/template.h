/* SPDX-License-Identifier: MIT */
/* page.html, page.css and page.js, which embed.py made C of. */
#ifndef BF_CLI_TRACE_TEMPLATE_H
#define BF_CLI_TRACE_TEMPLATE_H

extern const char template_html[];
extern const char template_css[];
extern const char template_js[];

#endif
