// SPDX-License-Identifier: MIT
/* aarch64 has no ports. */
#include "guests/guests.h"

const struct guest guest_write_pio1 = {.name = "write_pio1"};
const struct guest guest_write_pio2 = {.name = "write_pio2"};
const struct guest guest_write_pio4 = {.name = "write_pio4"};
const struct guest guest_write_pio_string = {.name = "write_pio_string"};
