// SPDX-License-Identifier: MIT
/* Control data of a message with arbitrary contents. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "preload/fds/rights.h"

static size_t count;

static void count_fd(int fd)
{
	count++;
}

/* Each fd takes four bytes, and no byte may count twice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *control = malloc(size ? size : 1);

	if (!control)
		return 0;
	memcpy(control, data, size);
	count = 0;
	rights_walk(control, size, count_fd);
	free(control);
	if (count > size / sizeof(int))
		abort();
	return 0;
}
