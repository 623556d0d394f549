// SPDX-License-Identifier: MIT
#include "front/watch.h"

const struct bf_front_watch *bf_front_watch;
