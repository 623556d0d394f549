// SPDX-License-Identifier: MIT
#define _LGPL_SOURCE /* inline readers */
#define RCU_MB
#include <urcu.h>

#define PEER_NAME   "liburcu mb"
#define PEER_SYMBOL peer_urcu_mb
#include "peer_urcu.h"
