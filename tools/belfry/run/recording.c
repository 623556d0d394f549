/* SPDX-License-Identifier: MIT */
/* Shared memory for the recording of the preload library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tools/belfry/common/cli.h"
#include "tools/belfry/run/run.h"

static struct recording *map_recording(int fd, uint32_t chunks)
{
	size_t size = recording_size(chunks);
	struct recording *recording;

	if (ftruncate(fd, (off_t)size))
		return NULL;
	recording = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (recording == MAP_FAILED)
		return NULL;
	recording->magic = RECORDING_MAGIC;
	recording->version = RECORDING_VERSION;
	recording->chunks = chunks;
	return recording;
}

/* The library opens the file by its descriptor in /proc, so keep it open. */
int run_share_recording(struct run_recording *shared, unsigned long events)
{
	unsigned long chunks = (events + RECORDING_CHUNK - 1) / RECORDING_CHUNK;
	int fd = memfd_create("belfry-recording", MFD_CLOEXEC);
	char path[64];

	shared->fd = fd;
	if (fd >= 0)
		shared->recording = map_recording(fd, (uint32_t)chunks);
	if (!shared->recording)
		return cli_fail("run", "cannot share memory: %s",
				strerror(errno));
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
	if (setenv("BELFRY_RECORDING", path, 1))
		return cli_fail("run", "out of memory");
	return CLI_OK;
}

void run_unshare_recording(struct run_recording *shared)
{
	if (!shared->recording)
		return;
	munmap(shared->recording, recording_size(shared->recording->chunks));
	close(shared->fd);
	shared->recording = NULL;
}
