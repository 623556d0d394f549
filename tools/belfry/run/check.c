/* SPDX-License-Identifier: MIT */
/*
 * Detection of programs that load no preload library: those without a dynamic
 * loader, and those for the loader of another architecture.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/run/run.h"

/* execve() takes only regular files, and to open a FIFO may block. */
static bool is_program(const char *file)
{
	struct stat status;

	return !stat(file, &status) && S_ISREG(status.st_mode) &&
	       !access(file, X_OK);
}

/* O_NONBLOCK: the file may have become a FIFO since is_program(). */
static int open_program(const char *file)
{
	return open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/*
 * Search as execvp() does, for which an empty element of PATH is the current
 * folder.  Returns -1 if execvp() would find nothing.
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
			return true; /* a damaged file: let exec decide */
		if (program.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* Return the reason why the program cannot load the library, or NULL. */
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
		cli_fail("run", "%s is %s: it runs, but without belfry",
			 command, obstacle);
}
