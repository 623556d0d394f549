/* SPDX-License-Identifier: MIT */
/*
 * Programs that a preloaded library does not reach: those without a dynamic
 * loader, and those for another one.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "run.h"

/* What execve() takes: never a FIFO or a device, and to open one may wait. */
static bool is_program(const char *file)
{
	struct stat status;

	return !stat(file, &status) && S_ISREG(status.st_mode) &&
	       !access(file, X_OK);
}

/* O_NONBLOCK: what it was when it was looked at, it need not be any more. */
static int open_program(const char *file)
{
	return open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/*
 * As execvp() searches, to which an empty element is the current folder; -1
 * where that would fail too.
 */
static int open_in_path(const char *command)
{
	const char *path = getenv("PATH"), *end;
	char file[PATH_MAX];

	for (path = path ? path : "/bin:/usr/bin";; path = end + 1) {
		end = strchrnul(path, ':');
		snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - path),
			 path, end > path ? "/" : "", command);
		if (is_program(file))
			return open_program(file);
		if (!*end)
			return -1;
	}
}

static int open_command(const char *command)
{
	if (!strchr(command, '/'))
		return open_in_path(command);
	return is_program(command) ? open_program(command) : -1;
}

static bool has_loader(int fd, const Elf64_Ehdr *header)
{
	Elf64_Phdr program;

	for (unsigned int i = 0; i < header->e_phnum; i++) {
		off_t at = (off_t)(header->e_phoff + i * sizeof(program));

		if (pread(fd, &program, sizeof(program), at) != sizeof(program))
			return true; /* not ours to judge */
		if (program.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* NULL: nothing is known against it. */
static const char *find_obstacle(int fd)
{
	Elf64_Ehdr header;

	if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return NULL;
	if (header.e_ident[EI_CLASS] != ELFCLASS64)
		return "not a 64-bit program";
	if (!has_loader(fd, &header))
		return "statically linked";
	return NULL;
}

void run_check_command(const char *command)
{
	const char *obstacle;
	int fd = open_command(command);

	if (fd < 0)
		return;
	obstacle = find_obstacle(fd);
	close(fd);
	if (obstacle)
		cli_fail("run",
			 "%s is %s: it runs, but belfry cannot get under it",
			 command, obstacle);
}
