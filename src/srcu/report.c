// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "srcu/report.h"

static void (*report_hook)(enum bf_srcu_report what, const char *text);

void bf_srcu_set_report_hook(void (*hook)(enum bf_srcu_report what,
					  const char *text))
{
	__atomic_store_n(&report_hook, hook, __ATOMIC_RELEASE);
}

void bf_srcu_text_add(struct bf_srcu_text *text, const char *format, ...)
{
	size_t room = sizeof(text->buf) - text->len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text->buf + text->len, room, format, args);
	va_end(args);
	if (len > 0)
		text->len += (size_t)len < room ? (size_t)len : room - 1;
}

void bf_srcu_text_add_place(struct bf_srcu_text *text, void *place)
{
	Dl_info info;

	if (!dladdr(place, &info))
		bf_srcu_text_add(text, "%p", place);
	else if (info.dli_sname)
		bf_srcu_text_add(
			text, "%s+%#lx (%s)", info.dli_sname,
			(unsigned long)((char *)place - (char *)info.dli_saddr),
			info.dli_fname);
	else
		bf_srcu_text_add(text, "%s+%#lx", info.dli_fname,
				 (unsigned long)((char *)place -
						 (char *)info.dli_fbase));
}

void bf_srcu_report(enum bf_srcu_report what, const struct bf_srcu_text *text)
{
	void (*hook)(enum bf_srcu_report, const char *) =
		__atomic_load_n(&report_hook, __ATOMIC_ACQUIRE);

	if (hook)
		hook(what, text->buf);
	else
		fputs(text->buf, stderr);
}
