// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "srcu/report.h"

static void (*report_hook)(enum srcu_report what, const char *text);

void srcu_set_report_hook(void (*hook)(enum srcu_report what, const char *text))
{
	__atomic_store_n(&report_hook, hook, __ATOMIC_RELEASE);
}

void srcu_text_add(struct srcu_text *text, const char *format, ...)
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

void srcu_text_add_place(struct srcu_text *text, void *place)
{
	Dl_info info;

	if (!dladdr(place, &info))
		srcu_text_add(text, "%p", place);
	else if (info.dli_sname)
		srcu_text_add(
			text, "%s+%#lx (%s)", info.dli_sname,
			(unsigned long)((char *)place - (char *)info.dli_saddr),
			info.dli_fname);
	else
		srcu_text_add(text, "%s+%#lx", info.dli_fname,
			      (unsigned long)((char *)place -
					      (char *)info.dli_fbase));
}

void srcu_report(enum srcu_report what, const struct srcu_text *text)
{
	void (*hook)(enum srcu_report, const char *) =
		__atomic_load_n(&report_hook, __ATOMIC_ACQUIRE);

	if (hook)
		hook(what, text->buf);
	else
		fputs(text->buf, stderr);
}
