// SPDX-License-Identifier: MIT
#define _LGPL_SOURCE /* inline readers */
#include <urcu-bp.h>

#define PEER_NAME   "liburcu bp"
#define PEER_SYMBOL peer_urcu_bp
#include "peer_urcu.h"
