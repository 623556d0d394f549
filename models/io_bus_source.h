/* SPDX-License-Identifier: MIT */
/*
 * Maps the atomic builtins and the memory of the bus's source to the machine.
 * The source is included after this header, in two units: io_bus_ranges.c has
 * the files for ranges alone, and io_bus_world.h the others.
 */
#ifndef BF_MODELS_IO_BUS_SOURCE_H
#define BF_MODELS_IO_BUS_SOURCE_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "intercept.h"

/* Zeroed memory of the world, or NULL if world.no_memory is set. */
void *io_bus_memory(size_t size);

/* One thread changes the bus. */
#define malloc(size)		    io_bus_memory(size)
#define calloc(count, size)	    io_bus_memory((count) * (size))
#define free(memory)		    ((void)(memory))
#define pthread_mutex_lock(mutex)   ((void)(mutex))
#define pthread_mutex_unlock(mutex) ((void)(mutex))

/*
 * For the compiler the machine's threads are one thread, so the list of frames
 * is an array with an element for each thread.  The inline functions of bus.h
 * use another variable, which nothing reads.
 */
#define __thread
#define tls_model(model) unused

#include "io_bus/bus.h"

extern struct bf_io_frame *io_frames[MACHINE_THREADS];

#define bf_io_innermost io_frames[machine_self()]

#endif
