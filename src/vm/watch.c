// SPDX-License-Identifier: MIT
#include "vm/watch.h"

const struct bf_front_watch *bf_front_watch;
