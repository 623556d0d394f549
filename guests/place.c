// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "guests/copy.h"
#include "guests/guests.h"

#define PLACE_SIZE 0x200
#define PLACES	   (GUEST_AREA / PLACE_SIZE)

void guest_place(const struct guest *guest, void *hva)
{
	guest_copy(hva, guest->start, guest->size);
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
