// SPDX-License-Identifier: MIT
/* The source of ranges, for io_range_explore.c: see io_bus_source.h. */
#include "io_bus_source.h"

#include "io_bus/range.c"
#include "io_bus/region.c"
#include "base/span_tree.c"
