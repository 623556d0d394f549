// SPDX-License-Identifier: MIT
/*
 * A program file with arbitrary contents, as `belfry doctor` and `belfry run`
 * read it.  What they find must come from the file, and end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "tools/belfry/common/program.h"

static void check(bool good)
{
	if (!good)
		abort();
}

/* Does the file have the text somewhere? */
static bool has(const uint8_t *data, size_t size, const char *text)
{
	return !text[0] || memmem(data, size, text, strlen(text));
}

static void check_program(const char *path, const uint8_t *data, size_t size)
{
	char interpreter[PATH_MAX] = "";
	struct program program;

	program_read(path, &program);
	check(memchr(program.loader, '\0', sizeof(program.loader)));
	check(has(data, size, program.loader));
	check(program.linkage == PROGRAM_UNKNOWN ||
	      (size >= 4 && !memcmp(data, "\177ELF", 4)));
	check(!program.privileged);
	if (program_interpreter(path, interpreter))
		check(size > 2 && data[0] == '#' && interpreter[0] &&
		      has(data, size, interpreter));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size)
		check_program(path, data, size);
	close(fd);
	return 0;
}
