// SPDX-License-Identifier: MIT
/*
 * A thread that has used a bus outlives dlclose() of the library.  At the
 * thread's exit the library's code frees the thread's memory, so this code must
 * still be mapped.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "belfry/io_bus.h"

static struct {
	__typeof__(&bf_io_bus_create) create;
	__typeof__(&bf_io_bus_destroy) destroy;
	__typeof__(&bf_io_add_range) add_range;
	__typeof__(&bf_io_dispatch) dispatch;
} lib;

static sem_t used, closed;

static void check(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "failed: %s\n", what);
	exit(1);
}

static int swallow(void *opaque, uint64_t offset,
		   const struct bf_io_access *access)
{
	return 0;
}

static void use_bus(void)
{
	static const struct bf_io_ops ops = {.write = swallow};
	const struct bf_io_range_desc range = {.size = 1, .ops = &ops};
	uint8_t byte = 0;
	struct bf_io_access access = {
		.data = &byte,
		.len = sizeof(byte),
		.write = true,
	};
	struct bf_io_bus *bus;

	check(!lib.create("bus", &bus), "bf_io_bus_create()");
	check(!lib.add_range(bus, &range, NULL, NULL), "bf_io_add_range()");
	check(!lib.dispatch(bus, &access), "bf_io_dispatch()");
	lib.destroy(bus);
}

static void *use(void *unused)
{
	use_bus();
	sem_post(&used);
	sem_wait(&closed);
	return NULL;
}

static void load(void *handle)
{
	check(handle, "dlopen()");
	lib.create = dlsym(handle, "bf_io_bus_create");
	lib.destroy = dlsym(handle, "bf_io_bus_destroy");
	lib.add_range = dlsym(handle, "bf_io_add_range");
	lib.dispatch = dlsym(handle, "bf_io_dispatch");
	check(lib.create && lib.destroy && lib.add_range && lib.dispatch,
	      "dlsym()");
}

int main(int argc, char **argv)
{
	pthread_t thread;
	void *handle;

	check(argc == 2, "usage: test_unload LIBRARY");
	handle = dlopen(argv[1], RTLD_NOW);
	load(handle);
	sem_init(&used, 0, 0);
	sem_init(&closed, 0, 0);
	check(!pthread_create(&thread, NULL, use, NULL), "pthread_create()");
	sem_wait(&used);
	check(!dlclose(handle), "dlclose()");
	sem_post(&closed);
	pthread_join(thread, NULL);
	return 0;
}
