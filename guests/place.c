// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "guests/guests.h"

#define PLACE_SIZE 0x200
#define PLACES	   (GUEST_AREA / PLACE_SIZE)

/* A processor of aarch64 may fetch what memory held before the copy. */
void guest_place(const struct guest *guest, void *hva)
{
	memcpy(hva, guest->start, guest->size);
	__builtin___clear_cache(hva, (char *)hva + guest->size);
}

size_t guest_offset(const struct guest *guest)
{
	static const struct guest *placed[PLACES];
	size_t i;

	for (i = 0; i < PLACES; i++) {
		if (!placed[i])
			placed[i] = guest;
		if (placed[i] == guest)
			return i * PLACE_SIZE;
	}
	abort();
}
