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
	struct bf_io_bus *bus = removal_of(head)->bus;

	bf_removal_complete(removal_of(head));
	bf_io_ended(bus);
}

static void consumers_over(struct srcu_head *head)
{
	bf_io_defer(removal_of(head)->bus, head, complete);
}

void bf_removal_defer(struct bf_removal *removal, bf_io_done_fn done,
		      void *opaque)
{
	removal->done = done;
	removal->opaque = opaque;
	bf_io_begin_end(removal->bus, &removal->head, consumers_over);
}
