/* SPDX-License-Identifier: MIT */
/* A program file: where execvp() finds it, and whether it can be preloaded. */
#ifndef BF_CLI_PROGRAM_H
#define BF_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum program_linkage {
	PROGRAM_UNKNOWN, /* no ELF file, or one that cannot be read */
	PROGRAM_DYNAMIC,
	PROGRAM_STATIC,	 /* no dynamic loader */
	PROGRAM_FOREIGN, /* the loader of another architecture or C library */
};

struct program {
	char path[PATH_MAX];   /* symbolic links are followed */
	char loader[PATH_MAX]; /* the dynamic loader; empty: none */
	enum program_linkage linkage;
	/* The loader ignores LD_PRELOAD: set-user-ID, or capabilities. */
	bool privileged;
};

/* Search as execvp() does.  Returns false if it would find nothing. */
bool program_find(const char *command, char path[PATH_MAX]);

/* Read the headers of the file at path. */
void program_read(const char *path, struct program *program);

/*
 * Store the interpreter of a script, which its first line names.  Returns false
 * if the file is no script.
 */
bool program_interpreter(const char *path, char interpreter[PATH_MAX]);

#endif
