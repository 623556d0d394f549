// SPDX-License-Identifier: MIT
/*
 * The prices of this boot, in a file.  Every user may write to the folder, so
 * the file counts only if it is a regular file of this user that no other user
 * can write to.  The writer opens the file under its final name, so that a
 * writer which is killed leaves no temporary file.  A reader that finds a file
 * without its last line measures.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "front/calibrate.h"

#define FORMAT	 "belfry-costs 1 %" PRIu64 " %" PRIu64 "\n"
#define BOOT_ID	 "/proc/sys/kernel/random/boot_id"
#define ID_CHARS 36

/* close(3) may be the preload library's. */
static void close_file(int fd)
{
	syscall(SYS_close, fd);
}

static bool read_boot_id(char id[ID_CHARS + 1])
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, id, ID_CHARS);
	close_file(fd);
	id[ID_CHARS] = '\0';
	return len == ID_CHARS && !strchr(id, '/');
}

static bool is_folder(const char *path)
{
	return path && path[0] == '/' && !access(path, W_OK | X_OK);
}

static void find_folder(char *folder, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (is_folder(runtime)) {
		snprintf(folder, size, "%s", runtime);
		return;
	}
	snprintf(folder, size, "/run/user/%u", (unsigned int)geteuid());
	if (!is_folder(folder))
		snprintf(folder, size, "/tmp");
}

void bf_costs_path(char *path, size_t size)
{
	char folder[PATH_MAX / 2], id[ID_CHARS + 1];

	path[0] = '\0';
	if (!read_boot_id(id))
		return;
	find_folder(folder, sizeof(folder));
	snprintf(path, size, "%s/belfry-costs-%u-%s", folder,
		 (unsigned int)geteuid(), id);
}

static bool is_trusted(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

bool bf_costs_load(struct bf_front_costs *costs)
{
	char path[PATH_MAX], text[128];
	ssize_t len = -1;
	int fd;

	bf_costs_path(path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (is_trusted(fd))
		len = read(fd, text, sizeof(text) - 1);
	close_file(fd);
	if (len <= 0 || text[len - 1] != '\n')
		return false;
	text[len] = '\0';
	return sscanf(text, FORMAT, &costs->install_ns, &costs->signal_ns) == 2;
}

static bool write_file(const char *path, const char *text)
{
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	ssize_t len = (ssize_t)strlen(text);
	bool written;

	if (fd < 0)
		return false;
	written = write(fd, text, (size_t)len) == len;
	close_file(fd);
	return written;
}

bool bf_costs_save(const struct bf_front_costs *costs)
{
	char path[PATH_MAX], text[128];

	bf_costs_path(path, sizeof(path));
	if (!path[0])
		return false;
	snprintf(text, sizeof(text), FORMAT, costs->install_ns,
		 costs->signal_ns);
	/* Replaces a file that is not trusted, or was not written in full. */
	for (int tries = 0; tries < 2; tries++) {
		if (write_file(path, text))
			return true;
		unlink(path);
	}
	return false;
}
