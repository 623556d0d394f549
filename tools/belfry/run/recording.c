/* SPDX-License-Identifier: MIT */
/* Shared memory for the recording of the preload library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/common/shared.h"
#include "tools/belfry/run/run.h"

/* The library opens the file by its descriptor in /proc, so keep it open. */
int run_share_recording(struct run_recording *shared, unsigned long events)
{
	char path[64];

	shared->chunks =
		(uint32_t)((events + RECORDING_CHUNK - 1) / RECORDING_CHUNK);
	shared->recording = shared_new("belfry-recording",
				       recording_size(shared->chunks),
				       &shared->fd);
	if (!shared->recording)
		return cli_fail("run", "cannot share memory: %s",
				strerror(errno));
	shared->recording->magic = RECORDING_MAGIC;
	shared->recording->version = RECORDING_VERSION;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(),
		 shared->fd);
	if (setenv("BELFRY_RECORDING", path, 1))
		return cli_fail("run", "out of memory");
	return CLI_OK;
}

void run_unshare_recording(struct run_recording *shared)
{
	if (!shared->recording)
		return;
	munmap(shared->recording, recording_size(shared->chunks));
	close(shared->fd);
	shared->recording = NULL;
}
