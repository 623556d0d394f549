// SPDX-License-Identifier: MIT
#include <string.h>

#include "guests/guests.h"

/* A processor of aarch64 may fetch what memory held before the copy. */
void guest_place(const struct guest *guest, void *hva)
{
	memcpy(hva, guest->start, guest->size);
	__builtin___clear_cache(hva, (char *)hva + guest->size);
}
