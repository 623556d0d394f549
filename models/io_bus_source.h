/* SPDX-License-Identifier: MIT */
/*
 * Puts the machine, and memory that it knows, under the source of the bus that
 * is included after this header: in one unit what has to do with ranges alone,
 * io_bus_ranges.c, and in another the rest, io_bus_world.h.
 */
#ifndef BF_MODELS_IO_BUS_SOURCE_H
#define BF_MODELS_IO_BUS_SOURCE_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "intercept.h"

/* Zeroed, and a part of the world; NULL: it is used up. */
void *io_bus_memory(size_t size);

/* One thread changes the bus. */
#define malloc(size)		    io_bus_memory(size)
#define calloc(count, size)	    io_bus_memory((count) * (size))
#define free(memory)		    ((void)(memory))
#define pthread_mutex_lock(mutex)   ((void)(mutex))
#define pthread_mutex_unlock(mutex) ((void)(mutex))

/*
 * The machine's threads are one thread to the compiler, so each has its list of
 * frames by its number; the inline functions of bus.h use another variable, which
 * nothing reads.
 */
#define __thread
#define tls_model(model) unused

#include "io_bus/bus.h"

extern struct bf_io_frame *io_frames[MACHINE_THREADS];

#define bf_io_innermost io_frames[machine_self()]

#endif
