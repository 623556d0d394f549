// SPDX-License-Identifier: MIT
/* The command: its program, and whether belfry run can get under it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/xalloc.h"
#include "tools/belfry/doctor/internal.h"

#define LIBRARY	    "libbelfry-preload.so"
#define MOST_SCRIPT 65536 /* bytes of a script that are read */
#define MOST_LEVELS 4	  /* of scripts whose interpreter is a script */
/* Descriptors of a VMM besides two for each queue, as QEMU has them. */
#define OTHER_FDS 17

/* The words of a command, then NULL. */
struct words {
	char **list;
	size_t count;
};

static void words_add(struct words *words, const char *text, size_t length)
{
	words->list = xgrow(words->list, words->count + (words->count > 0),
			    words->count + 2, sizeof(*words->list));
	words->list[words->count++] = xasprintf("%.*s", (int)length, text);
}

static void words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->list[i]);
	free(words->list);
}

/* Split the text of a script where a shell would, roughly. */
static void words_add_script(struct words *words, const char *path)
{
	static const char ends[] = " \t\n;|&()\"'`";
	char *text = xgrow(NULL, 0, MOST_SCRIPT + 1, 1);
	FILE *file = fopen(path, "re");

	text[file ? fread(text, 1, MOST_SCRIPT, file) : 0] = '\0';
	if (file)
		fclose(file);
	for (char *word = text; *word; word += strcspn(word, ends)) {
		word += strspn(word, ends);
		if (*word)
			words_add(words, word, strcspn(word, ends));
	}
	free(text);
}

static void words_add_arguments(struct words *words, char *const *argv)
{
	for (; *argv; argv++)
		words_add(words, *argv, strlen(*argv));
}

/* The program that the kernel executes for a script, and its interpreter. */
static void follow_script(struct command *command)
{
	char path[PATH_MAX], next[PATH_MAX];

	strcpy(path, command->start);
	for (int i = 0; i < MOST_LEVELS && program_interpreter(path, next);
	     i++) {
		command->is_script = true;
		strcpy(path, next);
	}
	program_read(path, &command->first);
}

/* The first word that names a VMM that exists here. */
static char *const *find_vmm(const struct words *words, char path[PATH_MAX])
{
	for (size_t i = 0; i < words->count; i++)
		if (vmm_is_known(words->list[i]) &&
		    program_find(words->list[i], path))
			return &words->list[i];
	return NULL;
}

/* A wrapper or a script has the name of the VMM among its words. */
static void read_vmm(struct command *command)
{
	struct words words = {0};
	char path[PATH_MAX];
	char *const *found;

	if (command->is_script && !vmm_is_known(command->start))
		words_add_script(&words, command->start);
	words_add_arguments(&words, command->argv);
	found = find_vmm(&words, path);
	command->program = command->first;
	if (found && found != words.list)
		program_read(path, &command->program);
	if (found)
		vmm_read(*found, found + 1, &command->vmm);
	words_free(&words);
}

static bool clears_environment(char *const *argv)
{
	const char *slash = strrchr(argv[0], '/');

	return !strcmp(slash ? slash + 1 : argv[0], "env") && argv[1] &&
	       (!strcmp(argv[1], "-i") || !strcmp(argv[1], "-") ||
		!strcmp(argv[1], "--ignore-environment"));
}

static const char *program_obstacle(const struct program *program)
{
	switch (program->linkage) {
	case PROGRAM_STATIC:
		return "it is statically linked";
	case PROGRAM_FOREIGN:
		return "it is for another architecture or C library";
	case PROGRAM_UNKNOWN:
	case PROGRAM_DYNAMIC:
		break;
	}
	if (program->privileged)
		return "it is set-user-ID or has capabilities, so the loader "
		       "ignores LD_PRELOAD";
	return NULL;
}

static const char *find_run_obstacle(const struct command *command)
{
	const char *obstacle = program_obstacle(&command->program);

	if (obstacle)
		return obstacle;
	if (program_obstacle(&command->first))
		return "the program that starts it passes no LD_PRELOAD on";
	if (clears_environment(command->argv))
		return "env -i clears LD_PRELOAD: write env -i belfry run -- "
		       "...";
	if (command->vmm.is_manager)
		return "it starts VMMs with an environment of its own: see "
		       "doc/operators.md";
	return NULL;
}

static void add_preload(struct command *command, const char *name)
{
	char *list = command->preloads;

	if (strstr(name, LIBRARY)) {
		command->has_belfry = true;
		return;
	}
	command->preloads = xasprintf("%s%s%s", list, *list ? ", " : "", name);
	free(list);
}

static void add_preloads(struct command *command, char *list)
{
	char *place;

	for (char *name = strtok_r(list, ": \t\n", &place); name;
	     name = strtok_r(NULL, ": \t\n", &place))
		add_preload(command, name);
}

static void read_preloads(struct command *command)
{
	const char *variable = getenv("LD_PRELOAD");
	FILE *file = fopen("/etc/ld.so.preload", "re");
	char *list = xstrdup(variable ? variable : "");
	char line[PATH_MAX];

	command->preloads = xstrdup("");
	add_preloads(command, list);
	free(list);
	while (file && fgets(line, sizeof(line), file))
		if (*line != '#')
			add_preloads(command, line);
	if (file)
		fclose(file);
}

static bool has_filter(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[128];
	bool found = false;

	while (file && fgets(line, sizeof(line), file))
		found = found || !strcmp(line, "Seccomp:\t2\n");
	if (file)
		fclose(file);
	return found;
}

static void read_limits(struct command *command)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit))
		command->fd_limit = limit.rlim_cur;
	if (command->vmm.queues)
		command->fds_needed = OTHER_FDS + 2 * command->vmm.queues;
}

int command_read(struct command *command, char **argv)
{
	*command = (struct command){.argv = argv};
	if (!program_find(argv[0], command->start))
		return cli_usage("doctor",
				 "%s: no such program that can be executed",
				 argv[0]);
	follow_script(command);
	read_vmm(command);
	read_preloads(command);
	read_limits(command);
	command->filtered = has_filter();
	command->run_obstacle = find_run_obstacle(command);
	return CLI_OK;
}

void command_free(struct command *command)
{
	free(command->preloads);
}
