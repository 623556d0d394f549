// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include <belfry/vcpus.h>

/*
 * Plug a vCPU, and post an interrupt to one:
 */
struct my_vcpu {
	struct bf_vcpu_entry entry; /* first: a cast leads back */
	int pending;
};

static void my_release(struct bf_vcpu_entry *entry)
{
	free(entry);
}

static const struct bf_vcpu_entry_ops my_ops = {.release = my_release};

static int plug(struct bf_vcpus *vcpus, uint64_t id)
{
	struct my_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int err;

	if (!vcpu)
		return -ENOMEM;
	err = bf_vcpus_add(vcpus, &vcpu->entry, id, &my_ops, 0);
	if (err)
		free(vcpu);
	return err;
}

static int post(struct bf_vcpus *vcpus, uint64_t id)
{
	struct srcu_struct *srcu = bf_vcpus_srcu(vcpus);
	int idx = srcu_read_lock(srcu);
	struct my_vcpu *vcpu = (void *)bf_vcpus_by_id(vcpus, id);

	if (vcpu)
		__atomic_fetch_add(&vcpu->pending, 1, __ATOMIC_RELAXED);
	srcu_read_unlock(srcu, idx);
	return vcpu ? 0 : -ENOENT;
}
