/* SPDX-License-Identifier: MIT */
#ifndef BF_IO_BUS_CONFLICT_H
#define BF_IO_BUS_CONFLICT_H

#include "belfry/io_bus.h"

/* "mmio"; buf is for those that have no name. */
const char *bf_io_space_name(uint16_t space, char buf[16]);

#endif
