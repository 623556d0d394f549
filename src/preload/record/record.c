/* SPDX-License-Identifier: MIT */
/* Opens the recording; records calls and VMs. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "preload/common/config.h"
#include "preload/common/process.h"
#include "preload/common/sys.h"
#include "preload/record/internal.h"
#include "front/front.h"

struct recording *recording;
uint32_t recording_chunks;

static bool recording_matches_build(const struct recording *map, size_t size)
{
	return map->magic == RECORDING_MAGIC &&
	       map->version == RECORDING_VERSION &&
	       recording_size(recording_chunks) == size;
}

static struct recording *map_recording(int fd)
{
	struct recording *map;
	struct stat st;
	size_t size;

	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(*map))
		return NULL;
	size = (size_t)st.st_size;
	recording_chunks = recording_chunks_of(size);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	if (recording_matches_build(map, size))
		return map;
	munmap(map, size);
	return NULL;
}

void record_forked(void)
{
	event_forget_thread();
	run_forget();
}

/* Stalls, and the few calls that begin or end a VM or a vCPU. */
static bool call_has_priority(uint32_t key, uint64_t ns)
{
	return ns > STATS_STALL_NS || key == KVM_CREATE_VM ||
	       key == KVM_CREATE_VCPU || stats_is_close(key);
}

static void add_call(struct record_who who, uint32_t key, uint64_t start_ns,
		     uint64_t now, long ret)
{
	uint32_t gps = pending_gp_note_call(who.vm, key, start_ns, now, ret);
	struct recorded_event *event =
		event_alloc(call_has_priority(key, now - start_ns), who);

	if (!event)
		return;
	event->key = key;
	event->gps = gps;
	event->error = ret < 0 ? (int)ret : 0;
	event->start_ns = start_ns;
	relaxed_store(&event->end_ns, now);
	event_publish(event, RECORDED_CALL);
}

void record_call(struct record_who who, uint32_t key, uint64_t start_ns,
		 long ret)
{
	uint64_t now = bf_now_ns();
	struct stats_call *call =
		stats_record(config.stats, key, now - start_ns, ret < 0);

	if (!recording || !process_is_owner())
		return;
	if (call)
		histogram_add(
			&recording->histograms[call - config.stats->calls],
			now - start_ns);
	add_call(who, key, start_ns, now, ret);
}

uint32_t record_new_vm(const struct bf_front *front)
{
	struct recorded_vm *row;
	uint32_t vm;

	if (!recording)
		return 0;
	vm = 1 + (uint32_t)relaxed_add(&recording->vms_seen, 1);
	row = recorded_vm_row(vm);
	if (!row)
		return vm;
	relaxed_store(&row->pid, (uint32_t)process_pid);
	relaxed_store(&row->front, (uintptr_t)front);
	return vm;
}

void record_vm_end(uint32_t vm)
{
	struct recorded_vm *row = recorded_vm_row(vm);

	if (row)
		relaxed_store(&row->ended_ns, bf_now_ns());
}

/*
 * Searches from the last VM back: the memory of a front serves another one
 * after its end.
 */
static uint32_t vm_of_front(const struct bf_front *front)
{
	uint64_t n = relaxed_load(&recording->vms_seen);

	for (n = n < RECORDING_VMS ? n : RECORDING_VMS; n; n--) {
		struct recorded_vm *row = recorded_vm_row((uint32_t)n);

		if (relaxed_load(&row->front) == (uintptr_t)front &&
		    relaxed_load(&row->pid) == (uint32_t)process_pid)
			return (uint32_t)n;
	}
	return 0;
}

static void watch_doorbell(const struct bf_front *front,
			   const struct kvm_ioeventfd *arg, int ret)
{
	doorbell_add_install(vm_of_front(front), arg, ret);
}

static void watch_zone(const struct bf_front *front,
		       const struct kvm_coalesced_mmio_zone *zone, int ret)
{
	if (!ret)
		pending_gp_add(vm_of_front(front), GP_ZONE, bf_now_ns());
}

static const struct bf_front_watch watch = {
	.doorbell = watch_doorbell,
	.zone = watch_zone,
};

/*
 * Needs the counters of belfry run: a histogram has the index that its call has
 * there.
 */
void record_setup(void)
{
	const char *path = getenv("BELFRY_RECORDING");
	int fd;

	if (!path || !config.stats_shared)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	recording = map_recording(fd);
	sys_close(fd);
	if (recording)
		bf_front_watch = &watch;
}
