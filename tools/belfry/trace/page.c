/* SPDX-License-Identifier: MIT */
/*
 * The page of --report: a template in which a line "@WORD@" stands for a part.
 * The trace is data in the page.  The script of the page turns names into text
 * only, so that no name from a VMM becomes a tag.
 */
#include <string.h>

#include "tools/belfry/trace/template.h"
#include "tools/belfry/trace/trace.h"

static bool write_part(const char *line, size_t length,
		       const struct trace *trace, FILE *out)
{
	if (!strncmp(line, "@STYLE@", length))
		fputs(template_css, out);
	else if (!strncmp(line, "@SCRIPT@", length))
		fputs(template_js, out);
	else if (!strncmp(line, "@DATA@", length))
		trace_write(trace, true, out);
	else
		return false;
	return true;
}

void trace_write_page(const struct trace *trace, FILE *out)
{
	const char *line = template_html, *end;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if (line[0] == '@' &&
		    write_part(line, (size_t)(end - line), trace, out))
			continue;
		fwrite(line, 1, (size_t)(end - line), out);
		fputc('\n', out);
	}
}
