/* SPDX-License-Identifier: MIT */
/*
 * The recording's table of doorbells.
 *
 * Lookups and additions take no lock.  A thread claims a row by storing the
 * hash of the doorbell's key in it.  Each thread that adds the same doorbell
 * then stores the key, so the order of the threads does not matter.  Two
 * doorbells with the same hash share a row and are counted as one.
 */
#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/record/internal.h"

#define MATCHED_FLAGS                                            \
	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
	 KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY)

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static struct recorded_key make_key(uint32_t vm,
				    const struct kvm_ioeventfd *arg)
{
	const bool matches = arg->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;

	return (struct recorded_key){
		.vm = vm,
		.addr = arg->addr,
		.len = arg->len,
		.flags = arg->flags & MATCHED_FLAGS,
		.datamatch = matches ? arg->datamatch : 0,
	};
}

/* Never 0, which is an empty row. */
static uint64_t hash_key(const struct recorded_key *key)
{
	uint64_t hash = mix(key->vm, key->addr);

	hash = mix(mix(mix(hash, key->len), key->flags), key->datamatch);
	return hash ? hash : 1;
}

static void store_key(struct recorded_doorbell *row,
		      const struct recorded_key *key)
{
	relaxed_store(&row->vm, key->vm);
	relaxed_store(&row->addr, key->addr);
	relaxed_store(&row->len, key->len);
	relaxed_store(&row->flags, key->flags);
	relaxed_store(&row->datamatch, key->datamatch);
}

/* True if the row has @hash.  With @claim, an empty row gets it. */
static bool row_has_hash(struct recorded_doorbell *row, uint64_t hash,
			 bool claim)
{
	return (claim && relaxed_set_once(&row->id, hash)) ||
	       relaxed_load(&row->id) == hash;
}

/*
 * Rows are never emptied, so a search without @claim may stop at an empty one.
 * The limit keeps the search of a nearly full table short.
 */
static struct recorded_doorbell *find_row(const struct recorded_key *key,
					  bool claim)
{
	const uint32_t limit = 256;
	uint64_t hash = hash_key(key);

	for (uint32_t i = 0; i < limit; i++) {
		struct recorded_doorbell *row =
			&recording->doorbells[(hash + i) % RECORDING_DOORBELLS];

		if (row_has_hash(row, hash, claim))
			return row;
		if (!claim && !relaxed_load(&row->id))
			return NULL;
	}
	return NULL;
}

static struct recorded_doorbell *claim_row(const struct recorded_key *key)
{
	struct recorded_doorbell *row = find_row(key, true);

	if (row)
		store_key(row, key);
	else
		relaxed_add(&recording->dropped_doorbells, 1);
	return row;
}

static uint32_t row_index(const struct recorded_doorbell *row)
{
	return (uint32_t)(row - recording->doorbells);
}

static void add_instant(enum recorded_kind kind,
			const struct recorded_doorbell *row, int error,
			uint64_t now)
{
	const struct record_who who = {relaxed_load(&row->vm),
				       RECORDED_NO_VCPU};

	event_add_instant(kind, who, row_index(row), error, now);
}

static void note_installed(struct recorded_doorbell *row, uint64_t now)
{
	relaxed_add(&row->installed, 1);
	relaxed_store(&row->installed_ns, now);
	relaxed_store(&row->in_kernel, 1);
	pending_gp_add(relaxed_load(&row->vm), GP_DOORBELL, now);
}

/* Without a front, the kernel itself answered the assign. */
static void note_assigned(struct recorded_doorbell *row, bool has_front,
			  uint64_t now)
{
	relaxed_add(&row->assigned, 1);
	relaxed_set_once(&row->assigned_ns, now);
	add_instant(RECORDED_ASSIGNED, row, 0, now);
	if (!has_front)
		note_installed(row, now);
	else if (!relaxed_load(&row->in_kernel))
		pending_gp_defer(relaxed_load(&row->vm), now);
}

static void note_deassigned(struct recorded_doorbell *row, uint64_t now)
{
	relaxed_add(&row->deassigned, 1);
	if (!atomic_exchange_explicit(&row->in_kernel, 0, memory_order_relaxed))
		relaxed_add(&row->never_installed, 1);
	add_instant(RECORDED_DEASSIGNED, row, 0, now);
}

void record_ioeventfd(uint32_t vm, bool has_front,
		      const struct kvm_ioeventfd *arg, long ret)
{
	const struct recorded_key key = make_key(vm, arg);
	struct recorded_doorbell *row;

	if (!recording || ret < 0 || !vm || !process_is_owner())
		return;
	row = claim_row(&key);
	if (!row)
		return;
	if (arg->flags & KVM_IOEVENTFD_FLAG_DEASSIGN)
		note_deassigned(row, bf_now_ns());
	else
		note_assigned(row, has_front, bf_now_ns());
}

void doorbell_add_install(uint32_t vm, const struct kvm_ioeventfd *arg, int ret)
{
	const struct recorded_key key = make_key(vm, arg);
	struct recorded_doorbell *row = claim_row(&key);
	uint64_t now = bf_now_ns();

	if (!row)
		return;
	if (ret)
		relaxed_add(&row->refused, 1);
	else
		note_installed(row, now);
	add_instant(ret ? RECORDED_REFUSED : RECORDED_INSTALLED, row, ret, now);
}

/* The assigned doorbell that has this length and matches the write, or NULL. */
static struct recorded_doorbell *find_assigned(const struct recorded_key *write,
					       uint32_t len, uint32_t match)
{
	const struct recorded_key exact = {
		.vm = write->vm,
		.addr = write->addr,
		.len = len,
		.flags = write->flags | match,
		.datamatch = match ? write->datamatch : 0,
	};
	struct recorded_doorbell *row = find_row(&exact, false);

	if (!row ||
	    relaxed_load(&row->assigned) == relaxed_load(&row->deassigned))
		return NULL;
	return row;
}

void doorbell_add_signal(struct recorded_key *write, uint32_t vcpu)
{
	const struct record_who who = {write->vm, vcpu};
	struct recorded_doorbell *row = find_assigned(write, write->len, 0);
	uint64_t now;

	if (!row)
		row = find_assigned(write, write->len,
				    KVM_IOEVENTFD_FLAG_DATAMATCH);
	if (!row)
		row = find_assigned(write, 0, 0);
	if (!row)
		return;
	relaxed_add(&row->signals, 1);
	if (relaxed_load(&row->first_signal_ns))
		return;
	now = bf_now_ns();
	if (relaxed_set_once(&row->first_signal_ns, now))
		event_add_instant(RECORDED_SIGNALLED, who, row_index(row), 0,
				  now);
}
