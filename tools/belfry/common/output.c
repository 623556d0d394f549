/* SPDX-License-Identifier: MIT */
#include "tools/belfry/common/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/xalloc.h"

/* Do these names stand for descriptors of this process? */
static bool names_descriptor(const char *name)
{
	static const char *const starts[] = {"/dev/fd/", "/dev/std", "/proc/"};

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		if (!strncmp(name, starts[i], strlen(starts[i])))
			return true;
	}
	return false;
}

static bool is_of_another_user(const struct stat *st)
{
	return st->st_uid != geteuid() && geteuid() != 0;
}

/* The path without symbolic links; the file itself need not exist. */
static char *real_path(const char *name)
{
	const char *slash = strrchr(name, '/');
	char *folder = slash == name ? xstrdup("/") :
		       slash ? xasprintf("%.*s", (int)(slash - name), name) :
			       xstrdup(".");
	char *real = realpath(folder, NULL), *path = NULL;

	if (real)
		path = xasprintf("%s/%s", real, slash ? slash + 1 : name);
	free(real);
	free(folder);
	return path;
}

/*
 * Set the path to replace and the mode of its file.  A link is followed to its
 * end, so that the link stays.  Returns why the file cannot be written, or
 * NULL; *direct: it is no regular file.
 */
static const char *find_path(struct output *output, mode_t *mode, bool *direct)
{
	const mode_t mask = umask(0);
	struct stat st;

	umask(mask);
	*mode = 0666 & ~mask;
	*direct = names_descriptor(output->name);
	if (*direct)
		return NULL;
	output->path = real_path(output->name);
	if (!output->path)
		return strerror(errno);
	if (lstat(output->path, &st))
		return errno == ENOENT ? NULL : strerror(errno);
	if (S_ISLNK(st.st_mode)) {
		if (st.st_uid != geteuid() && st.st_uid != 0)
			return "it is a symbolic link of another user";
		free(output->path);
		output->path = realpath(output->name, NULL);
		if (!output->path || lstat(output->path, &st))
			return strerror(errno);
	}
	*direct = !S_ISREG(st.st_mode);
	*mode = st.st_mode & 0777;
	return is_of_another_user(&st) && !*direct ?
		       "it belongs to another user" :
		       NULL;
}

static int open_temporary(struct output *output, mode_t mode)
{
	int fd;

	output->temporary = xasprintf("%s.XXXXXX", output->path);
	fd = mkostemp(output->temporary, O_CLOEXEC);
	if (fd >= 0) {
		fchmod(fd, mode);
		return fd;
	}
	free(output->temporary);
	output->temporary = NULL;
	return fd;
}

static const char *open_output(struct output *output)
{
	const char *problem;
	bool direct;
	mode_t mode;
	int fd;

	problem = find_path(output, &mode, &direct);
	if (problem)
		return problem;
	fd = direct ? open(output->name,
			   O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY) :
		      open_temporary(output, mode);
	if (fd < 0)
		return strerror(errno);
	output->file = xcheck(fdopen(fd, "w"));
	return NULL;
}

static void forget(struct output *output)
{
	free(output->name);
	free(output->path);
	free(output->temporary);
	*output = (struct output){0};
}

int output_begin(struct output *output, const char *command, const char *name)
{
	const char *problem;

	*output = (struct output){0};
	if (!name)
		return CLI_OK;
	output->name = xstrdup(name);
	problem = open_output(output);
	if (!problem)
		return CLI_OK;
	cli_fail(command, "cannot write %s: %s", name, problem);
	forget(output);
	return CLI_FAILURE;
}

bool output_is_same(const struct output *a, const struct output *b)
{
	return a->temporary && b->temporary && !strcmp(a->path, b->path);
}

int output_end(struct output *output, const char *command)
{
	int status;

	if (!output->file)
		return CLI_OK;
	status = cli_close_output(command, output->file, output->name);
	if (!status && output->temporary &&
	    rename(output->temporary, output->path))
		status = cli_fail(command, "cannot write %s: %s", output->name,
				  strerror(errno));
	if (status && output->temporary)
		unlink(output->temporary);
	forget(output);
	return status;
}

void output_cancel(struct output *output)
{
	if (output->temporary)
		unlink(output->temporary);
	output_leave(output);
}

void output_leave(struct output *output)
{
	if (output->file)
		fclose(output->file);
	forget(output);
}
