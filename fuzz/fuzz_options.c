// SPDX-License-Identifier: MIT
/*
 * Command lines of the tool, up to the first step of its work.  A command line
 * begins the work, with a note at most; or it is answered on stdout, with status
 * 0; or it is refused with status 2 and one line, which names what was wrong.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int tool_main(int argc, char **argv);

#define main tool_main
#include "tools/belfry/main.c"
#undef main

#define MOST_TEXT  4096
#define MOST_WORDS 128

/* A byte of the input is a word of this list, or one of the next two. */
static const char *const words[] = {
	"bench",
	"compare",
	"doctor",
	"doorbell",
	"report",
	"run",
	"stall",
	"torture",
	"io_bus",
	"memslots",
	"srcu",
	"vcpus",
	"--help",
	"-h",
	"--version",
	"-V",
	"--json",
	"--count",
	"-n",
	"--policy",
	"--plain-only",
	"--row",
	"--engine",
	"--goal",
	"--show-output",
	"--all",
	"--quiet",
	"--exec",
	"--events",
	"--output",
	"--plain",
	"--report",
	"--trace",
	"--install-after",
	"--quiet-ms",
	"--zones",
	"--rings",
	"--seconds",
	"--seed",
	"--watchdog",
	"--readers",
	"--writers",
	"--dispatchers",
	"--changers",
	"--",
	"-",
	"",
	"0",
	"1",
	"16384",
	"4294967295",
	"99999999999999999999",
	"-1",
	"1e3",
	"lazy",
	"first-run",
	"at-once",
	"kvm",
	"trap",
	"-hx",
	"-xV",
	"true",
};

#define JOIN	255 /* "=" in place of the end of the word before it */
#define LITERAL 254 /* bytes up to a zero byte follow */

static jmp_buf work;
static volatile bool running;

/* What a command calls first after its options. */
#define FIRST_STEP(type, name)    \
	type __wrap_##name(void); \
	type __wrap_##name(void)  \
	{                         \
		longjmp(work, 1); \
	}

FIRST_STEP(int, cli_kvm_problem)
FIRST_STEP(int, command_read)
FIRST_STEP(int, doorbell_vm_create)
FIRST_STEP(int, examine_machine)
FIRST_STEP(int, output_begin)
FIRST_STEP(int, report_new)
FIRST_STEP(int, run_find_library)
FIRST_STEP(int, watchdog_start)

int __real_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode);

/* The fuzzer opens files, too. */
int __wrap_open64(const char *path, int flags, mode_t mode)
{
	if (running)
		longjmp(work, 1);
	return __real_open64(path, flags, mode);
}

struct result {
	bool works;
	int status;
	char *out;
	char *errors;
	size_t out_size;
	size_t errors_size;
};

static void fail(char **argv, const struct result *result, const char *what)
{
	fprintf(stderr, "fuzz_options: %s: status %d, '%s', '%s' from", what,
		result->status, result->out, result->errors);
	for (; *argv; argv++)
		fprintf(stderr, " '%s'", *argv);
	fputc('\n', stderr);
	abort();
}

/* Adds the words of the input; returns the end of the text. */
static char *decode(char *text, const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	char *at = text;

	while (data < end && at < text + MOST_TEXT - 64) {
		uint8_t choice = *data++;

		if (choice == JOIN && at > text) {
			at[-1] = '=';
		} else if (choice == LITERAL) {
			while (data < end && *data &&
			       at < text + MOST_TEXT - 64)
				*at++ = (char)*data++;
			data += data < end;
			*at++ = '\0';
		} else {
			at = stpcpy(at, words[choice % (sizeof(words) /
							sizeof(words[0]))]) +
			     1;
		}
	}
	return at;
}

static int split(char *text, const char *end, char **argv)
{
	static char name[] = "belfry";
	int argc = 0;

	argv[argc++] = name;
	for (; text < end && argc < MOST_WORDS; text += strlen(text) + 1)
		argv[argc++] = text;
	argv[argc] = NULL;
	return argc;
}

static void run_tool(int argc, char **argv, struct result *result)
{
	FILE *const saved_out = stdout, *const saved_errors = stderr;

	stdout = open_memstream(&result->out, &result->out_size);
	stderr = open_memstream(&result->errors, &result->errors_size);
	optind = 0; /* getopt_long() begins anew */
	running = true;
	if (!setjmp(work))
		result->status = tool_main(argc, argv);
	else
		result->works = true;
	running = false;
	fclose(stdout);
	fclose(stderr);
	stdout = saved_out;
	stderr = saved_errors;
}

static bool is_line(const char *text, size_t size)
{
	if (size != strlen(text) || strncmp(text, "belfry", 6))
		return false;
	for (; *text && *text != '\n'; text++)
		if ((unsigned char)*text < ' ' || *text == '\177')
			return false;
	return !strcmp(text, "\n");
}

/* Only the last word can lack its argument; a letter stands at its end. */
static bool is_last(const char *quoted, size_t length, const char *last)
{
	if (length == 2 && quoted[0] == '-')
		return last[0] == '-' && last[strlen(last) - 1] == quoted[1];
	return length == strlen(last) && !strncmp(quoted, last, length);
}

/* A word with a quote could imitate the line: not judged. */
static bool names_last_word(const char *line, const char *last)
{
	static const char lacks[] = "' needs an argument; see belfry ";
	const char *begin = strchr(line, '\''), *end = strstr(line, lacks);

	if (!end || strchr(begin + 1, '\'') != end || strchr(end + 1, '\''))
		return true;
	return is_last(begin + 1, (size_t)(end - begin - 1), last);
}

static void check_result(int argc, char **argv, const struct result *result)
{
	if (result->works) {
		if (result->out_size ||
		    (result->errors_size &&
		     !is_line(result->errors, result->errors_size)))
			fail(argv, result, "output before the work");
	} else if (!result->status) {
		if (!result->out_size || result->errors_size)
			fail(argv, result, "an answer");
	} else {
		if (result->status != CLI_USAGE || result->out_size ||
		    !is_line(result->errors, result->errors_size) ||
		    !strstr(result->errors, "; see belfry "))
			fail(argv, result, "a refusal");
		if (!names_last_word(result->errors, argv[argc - 1]))
			fail(argv, result, "the wrong word is named");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[MOST_TEXT];
	char *order[MOST_WORDS + 1], *argv[MOST_WORDS + 1];
	struct result result = {0};
	int argc;

	argc = split(text, decode(text, data, size), order);
	memcpy(argv, order, sizeof(argv));
	run_tool(argc, argv, &result);
	check_result(argc, order, &result);
	free(result.out);
	free(result.errors);
	return 0;
}
