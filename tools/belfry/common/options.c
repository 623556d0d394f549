/* SPDX-License-Identifier: MIT */
/* Messages about options, and numbers as their arguments. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "belfry/version.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/xalloc.h"

static char *__attribute__((format(printf, 1, 0)))
format_text(const char *format, va_list args)
{
	char *text;

	return xcheck(vasprintf(&text, format, args) < 0 ? NULL : text);
}

void cli_line(FILE *out, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = format_text(format, args);
	va_end(args);
	text_clean(text, strlen(text), 0);
	fprintf(out, "%s\n", text);
	free(text);
}

int cli_fail(const char *command, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = format_text(format, args);
	va_end(args);
	cli_line(stderr, "belfry%s%s: %s", command ? " " : "",
		 command ? command : "", text);
	free(text);
	return CLI_FAILURE;
}

int cli_usage(const char *command, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = format_text(format, args);
	va_end(args);
	cli_fail(command, "%s; see belfry %s%s--help", text,
		 command ? command : "", command ? " " : "");
	free(text);
	return CLI_USAGE;
}

/* Of the last call: it stays in a word of letters until the last of them. */
static bool stays_in_word;

int cli_next_option(int argc, char **argv, const char *letters,
		    const struct option *options)
{
	const int before = optind;
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, letters, options, NULL);
	stays_in_word = optind == before;
	return c;
}

/*
 * getopt_long() leaves a long option in the word before optind, and sets optopt
 * to 0 if it does not know the option.  Of a short option it leaves only the
 * letter, in optopt.
 */
int cli_bad_option(const char *command, int c, char **argv)
{
	const char *word = argv[optind - 1];
	bool is_long = !stays_in_word && word[0] == '-' && word[1] == '-';

	if (!optopt)
		return cli_usage(command, "unknown option '%s'", word);
	if (is_long && strchr(word, '='))
		return cli_usage(command, "'%s': takes no argument", word);
	if (is_long)
		return cli_usage(command, "'%s' needs an argument", word);
	if (c == ':')
		return cli_usage(command, "'-%c' needs an argument", optopt);
	return cli_usage(command, "unknown option '-%c'", optopt);
}

/* Of the last long text that could not be written. */
static int write_error = EIO;

void cli_write(const char *text, size_t size, FILE *out)
{
	if (fwrite(text, 1, size, out) < size)
		write_error = errno;
}

/*
 * stdio keeps what fits into its buffer, so fflush() fails again.  It drops a
 * longer text, and keeps no errno.
 */
int cli_end_output(const char *command, FILE *out, const char *name)
{
	errno = 0;
	if (!fflush(out) && !ferror(out))
		return CLI_OK;
	return cli_fail(command, "cannot write %s: %s", name,
			strerror(errno ? errno : write_error));
}

int cli_close_output(const char *command, FILE *out, const char *name)
{
	int status = cli_end_output(command, out, name);

	if (fclose(out) && !status)
		status = cli_fail(command, "cannot write %s: %s", name,
				  strerror(errno));
	return status;
}

int cli_print_version(void)
{
	puts("belfry " BELFRY_VERSION);
	return CLI_OK;
}

int cli_parse_count(const char *text, unsigned long min, unsigned long max,
		    unsigned long *value)
{
	unsigned long number;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || number < min || number > max)
		return -ERANGE;
	*value = number;
	return 0;
}
