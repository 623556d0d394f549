/* SPDX-License-Identifier: MIT */
/* Probes of the provider "belfry": see belfry/io_stats.h. */
#ifndef BF_IO_BUS_PROBE_H
#define BF_IO_BUS_PROBE_H

#ifdef HAVE_SYS_SDT_H
#include <sys/sdt.h>

#define PROBE_DISPATCH(bus, kind, access)                                      \
	DTRACE_PROBE6(belfry, io_dispatch, (bus)->name, kind, (access)->space, \
		      (access)->addr, (access)->len, (access)->write)
#define PROBE_MISS(bus, access)                                      \
	DTRACE_PROBE5(belfry, io_miss, (bus)->name, (access)->space, \
		      (access)->addr, (access)->len, (access)->write)
#define PROBE_REGISTER(bus, kind, space, addr, size) \
	DTRACE_PROBE5(belfry, io_register, (bus)->name, kind, space, addr, size)
#define PROBE_REMOVE(bus, kind, space, addr, size) \
	DTRACE_PROBE5(belfry, io_remove, (bus)->name, kind, space, addr, size)
#define PROBE_REMOVED(bus, kind, object) \
	DTRACE_PROBE3(belfry, io_removed, (bus)->name, kind, object)
#else
#define PROBE_DISPATCH(bus, kind, access)	     ((void)(access))
#define PROBE_MISS(bus, access)			     ((void)(access))
#define PROBE_REGISTER(bus, kind, space, addr, size) ((void)(addr))
#define PROBE_REMOVE(bus, kind, space, addr, size)   ((void)(addr))
#define PROBE_REMOVED(bus, kind, object)	     ((void)(object))
#endif

#endif
