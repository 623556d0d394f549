// SPDX-License-Identifier: MIT
/* Runs a fuzz target once for each file of a corpus: replay DIRECTORY */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MAX_SIZE (1 << 16)

static void replay(const char *path)
{
	uint8_t *bytes = malloc(MAX_SIZE), *exact;
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file || !bytes) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	size = fread(bytes, 1, MAX_SIZE, file);
	fclose(file);
	/* With the exact size a sanitizer sees a read beyond the end. */
	exact = realloc(bytes, size ? size : 1);
	if (exact)
		LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **entries = NULL;
	char path[4096];
	int i, count;

	if (argc != 2) {
		fputs("usage: replay DIRECTORY\n", stderr);
		return 2;
	}
	count = scandir(argv[1], &entries, is_input, alphasort);
	for (i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1],
			 entries[i]->d_name);
		replay(path);
		free(entries[i]);
	}
	free(entries);
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
