// SPDX-License-Identifier: MIT
#include "io_bus/removal.h"
#include "base/util.h"

void bf_removal_complete(struct bf_removal *removal)
{
	bf_io_done_fn done = removal->done;
	void *opaque = removal->opaque;

	removal->free(removal);
	if (done)
		done(opaque);
}

static struct bf_removal *removal_of(struct srcu_head *head)
{
	return container_of(head, struct bf_removal, head);
}

static void complete(struct srcu_head *head)
{
	bf_removal_complete(removal_of(head));
}

void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque)
{
	removal->done = done;
	removal->opaque = opaque;
	bf_io_defer(removal->bus, &removal->head, complete);
}
