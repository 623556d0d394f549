// SPDX-License-Identifier: MIT
#include "tools/belfry/common/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* execve() takes only regular files, and to open a FIFO may block. */
static bool is_program(const char *file)
{
	struct stat status;

	return !stat(file, &status) && S_ISREG(status.st_mode) &&
	       !access(file, X_OK);
}

/* execvp() takes an empty element of PATH for the current folder. */
static bool find_in_path(const char *command, char file[PATH_MAX])
{
	const char *path = getenv("PATH"), *end;

	for (path = path ? path : "/bin:/usr/bin";; path = end + 1) {
		end = strchrnul(path, ':');
		snprintf(file, PATH_MAX, "%.*s%s%s", (int)(end - path), path,
			 end > path ? "/" : "", command);
		if (is_program(file))
			return true;
		if (!*end)
			return false;
	}
}

bool program_find(const char *command, char path[PATH_MAX])
{
	if (!strchr(command, '/'))
		return find_in_path(command, path);
	snprintf(path, PATH_MAX, "%s", command);
	return is_program(path);
}

/* O_NONBLOCK: the file may have become a FIFO since it was found. */
static int open_program(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* A set-user-ID program of this user gains nothing, so it may be preloaded. */
static bool is_privileged(int fd)
{
	struct stat status;

	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return geteuid() != 0;
	if (fstat(fd, &status))
		return false;
	return (status.st_mode & S_ISUID && status.st_uid != getuid()) ||
	       (status.st_mode & S_ISGID && status.st_gid != getgid());
}

static bool read_at(int fd, off_t at, void *to, size_t size)
{
	return pread(fd, to, size, at) == (ssize_t)size;
}

static void read_loader(int fd, const Elf64_Phdr *header,
			struct program *program)
{
	size_t size = header->p_filesz;

	if (size > sizeof(program->loader) - 1)
		size = sizeof(program->loader) - 1;
	if (!read_at(fd, (off_t)header->p_offset, program->loader, size))
		size = 0;
	program->loader[size] = '\0';
}

static enum program_linkage linkage_of_loader(const char *loader)
{
	return strstr(loader, "/ld-musl-") ? PROGRAM_FOREIGN : PROGRAM_DYNAMIC;
}

/* A damaged file is of unknown linkage: exec decides. */
static enum program_linkage find_loader(int fd, const Elf64_Ehdr *header,
					struct program *program)
{
	Elf64_Phdr entry;

	for (unsigned int i = 0; i < header->e_phnum; i++) {
		if (!read_at(fd, (off_t)(header->e_phoff + i * sizeof(entry)),
			     &entry, sizeof(entry)))
			return PROGRAM_UNKNOWN;
		if (entry.p_type == PT_INTERP) {
			read_loader(fd, &entry, program);
			return linkage_of_loader(program->loader);
		}
	}
	return PROGRAM_STATIC;
}

#ifdef __x86_64__
#define MACHINE EM_X86_64
#else
#define MACHINE EM_AARCH64
#endif

static enum program_linkage read_linkage(int fd, struct program *program)
{
	Elf64_Ehdr header;

	if (!read_at(fd, 0, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
		return PROGRAM_UNKNOWN;
	if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_machine != MACHINE)
		return PROGRAM_FOREIGN;
	return find_loader(fd, &header, program);
}

void program_read(const char *path, struct program *program)
{
	int fd = open_program(path);

	memset(program, 0, sizeof(*program));
	if (!realpath(path, program->path))
		snprintf(program->path, sizeof(program->path), "%s", path);
	if (fd < 0)
		return;
	program->linkage = read_linkage(fd, program);
	program->privileged = is_privileged(fd);
	close(fd);
}

bool program_interpreter(const char *path, char interpreter[PATH_MAX])
{
	char line[256] = "";
	const char *name;
	size_t length;
	int fd = open_program(path);

	if (fd < 0)
		return false;
	if (read(fd, line, sizeof(line) - 1) < 2)
		line[0] = '\0';
	close(fd);
	if (line[0] != '#' || line[1] != '!')
		return false;
	name = line + 2 + strspn(line + 2, " \t");
	length = strcspn(name, " \t\n");
	snprintf(interpreter, PATH_MAX, "%.*s", (int)length, name);
	return length > 0;
}
