// SPDX-License-Identifier: MIT
/*
 * A device in a process of its own, without KVM.  A server receives accesses
 * from a client over a socket and dispatches them on a bus.  The device is a
 * display: it has registers, a coalesced zone that the client draws in, and a
 * doorbell that shows the drawing.  A viewer reads the shown frame under SRCU.
 * The viewer never waits, and sees only complete frames.
 *
 *	device_server		forks its client, serves it, dumps the bus
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <belfry/io_bus.h>
#include <belfry/io_ring.h>
#include <belfry/io_stats.h>
#include <belfry/srcu.h>

#include "example.h"

#define FRAMES 3 /* drawn by the client */
#define PIXELS 256
#define WRITES 128 /* that the ring holds; a drawing has more */

/* The address map of the device. */
#define DISPLAY	    0x1000 /* registers */
#define REG_ID	    0x0
#define REG_SHOWN   0x4 /* number of frames shown */
#define REG_SHOW    0x8 /* doorbell */
#define DISPLAY_ID  0x64697370
#define CANVAS	    0x2000 /* one word per pixel */
#define CANVAS_SIZE (PIXELS * sizeof(uint32_t))

struct request {
	uint64_t addr;
	uint64_t data; /* its first len bytes count */
	uint32_t len;
	uint32_t write; /* 0: a read */
};

struct reply {
	int ret;
	uint64_t data;
};

/* --- The client: draws frames and reads them back. --- */

static struct reply transact(int fd, const struct request *request)
{
	struct reply reply;

	must_sys((int)send(fd, request, sizeof(*request), MSG_NOSIGNAL),
		 "send");
	expect(recv(fd, &reply, sizeof(reply), 0) == sizeof(reply), "a reply");
	return reply;
}

static void write_word(int fd, uint64_t addr, uint32_t value)
{
	const struct request request = {addr, value, sizeof(value), 1};

	must(transact(fd, &request).ret, "write");
}

static uint32_t read_word(int fd, uint64_t addr)
{
	const struct request request = {addr, 0, sizeof(uint32_t), 0};
	const struct reply reply = transact(fd, &request);

	must(reply.ret, "read");
	return (uint32_t)reply.data;
}

static void draw_frame(int fd, uint32_t colour)
{
	uint64_t pixel;

	for (pixel = CANVAS; pixel < CANVAS + CANVAS_SIZE; pixel += 4)
		write_word(fd, pixel, colour);
	write_word(fd, DISPLAY + REG_SHOW, 1);
	expect(read_word(fd, CANVAS) == colour, "the frame is shown");
}

static int client(int fd)
{
	const struct request nowhere = {0xdead, 0, 4, 0};
	const struct request too_long = {DISPLAY, 0, 4096, 0};
	uint32_t i;

	expect(read_word(fd, DISPLAY + REG_ID) == DISPLAY_ID, "a display");
	for (i = 1; i <= FRAMES; i++) {
		draw_frame(fd, i);
		expect(read_word(fd, DISPLAY + REG_SHOWN) == i, "a new frame");
	}
	expect(transact(fd, &nowhere).ret == -EOPNOTSUPP,
	       "no device at that address");
	expect(transact(fd, &too_long).ret == -EINVAL, "no such length");
	return 0;
}

/* --- The device. --- */

struct frame {
	struct srcu_head head; /* for call_srcu() */
	uint32_t pixels[PIXELS];
};

/* One thread makes all accesses, so only front needs protection. */
struct display {
	struct frame *front;	 /* shown; readers enter the domain frames */
	struct frame *back;	 /* the client draws here */
	struct bf_io_ring *ring; /* coalesced writes to back */
	uint32_t shown;
	bool off;
};

DEFINE_STATIC_SRCU(frames);

static void free_frame(struct srcu_head *head)
{
	free(head); /* head is the frame's first member */
}

static struct frame *alloc_frame(void)
{
	struct frame *frame = calloc(1, sizeof(*frame));

	expect(frame, "memory for a frame");
	return frame;
}

/* The ring holds only writes that lie inside the zone. */
static void draw_entry(void *opaque, const struct kvm_coalesced_mmio *entry)
{
	struct display *display = opaque;

	memcpy((char *)display->back->pixels + (entry->phys_addr - CANVAS),
	       entry->data, entry->len);
}

static void draw_coalesced(struct display *display)
{
	bf_io_ring_drain(&display->ring, 1, draw_entry, display);
}

/* The consumer of the doorbell: shows the drawing. */
static void show(void *opaque, uint64_t value,
		 const struct bf_io_access *access)
{
	struct display *display = opaque;
	struct frame *old = display->front;

	draw_coalesced(display);
	srcu_assign_pointer(display->front, display->back);
	call_srcu(&frames, &old->head, free_frame);
	display->back = alloc_frame();
	display->shown++;
}

/* Called only while the ring is full.  Drain it first, to keep the order. */
static int canvas_write(void *opaque, uint64_t offset,
			const struct bf_io_access *access)
{
	struct display *display = opaque;

	draw_coalesced(display);
	memcpy((char *)display->back->pixels + offset, access->data,
	       access->len);
	return 0;
}

static int canvas_read(void *opaque, uint64_t offset,
		       const struct bf_io_access *access)
{
	struct display *display = opaque;
	const int idx = srcu_read_lock(&frames);
	struct frame *frame = srcu_dereference(display->front, &frames);

	memcpy(access->data, (const char *)frame->pixels + offset, access->len);
	srcu_read_unlock(&frames, idx);
	return 0;
}

static int registers_read(void *opaque, uint64_t offset,
			  const struct bf_io_access *access)
{
	const struct display *display = opaque;
	uint32_t value = offset == REG_ID ? DISPLAY_ID : display->shown;

	if (access->len != sizeof(value) ||
	    (offset != REG_ID && offset != REG_SHOWN))
		return -1; /* refused: -EOPNOTSUPP */
	memcpy(access->data, &value, access->len);
	return 0;
}

/* Handles of the entries on the bus. */
struct parts {
	struct bf_io_range *registers;
	struct bf_io_range *canvas;
	struct bf_io_doorbell *show;
};

static void add_ranges(struct bf_io_bus *bus, struct display *display,
		       struct parts *parts)
{
	static const struct bf_io_ops registers_ops = {.read = registers_read};
	static const struct bf_io_ops canvas_ops = {canvas_read, canvas_write};
	const struct bf_io_range_desc registers = {
		.addr = DISPLAY,
		.size = 0x100,
		.name = "registers",
		.ops = &registers_ops,
		.opaque = display,
	};
	const struct bf_io_range_desc canvas = {
		.addr = CANVAS,
		.size = CANVAS_SIZE,
		.name = "canvas",
		.ops = &canvas_ops,
		.opaque = display,
	};

	must(bf_io_add_range(bus, &registers, &parts->registers, NULL),
	     "registers");
	must(bf_io_add_range(bus, &canvas, &parts->canvas, NULL), "canvas");
}

/*
 * Doorbells, zones and ranges may overlap: the bus tries doorbells first, then
 * zones, then ranges.
 */
static void add_display(struct bf_io_bus *bus, struct display *display,
			struct parts *parts)
{
	const struct bf_io_doorbell_desc doorbell = {
		.addr = DISPLAY + REG_SHOW,
		.len = sizeof(uint32_t),
		.wildcard = true,
		.consumer = BF_IO_CONSUMER_CALLBACK,
		.callback = show,
		.opaque = display,
	};
	struct bf_io_zone_desc zone = {
		.addr = CANVAS,
		.size = CANVAS_SIZE,
		.name = "canvas",
	};
	const struct bf_io_ring_desc ring = {
		.entries = WRITES,
		.wake = BF_IO_WAKE_NEVER,
	};

	display->front = alloc_frame();
	display->back = alloc_frame();
	must(bf_io_ring_create(&ring, &display->ring), "ring");
	zone.ring = display->ring;
	add_ranges(bus, display, parts);
	must(bf_io_add_zone(bus, &zone, NULL, NULL), "zone");
	must(bf_io_add_doorbell(bus, &doorbell, &parts->show, NULL),
	     "doorbell");
}

/* --- The server. --- */

/* Dispatches any request: the bus refuses invalid ones. */
static void serve(struct bf_io_bus *bus, int fd)
{
	struct request request;
	struct reply reply;

	while (recv(fd, &request, sizeof(request), 0) == sizeof(request)) {
		struct bf_io_access access = {
			.addr = request.addr,
			.data = &request.data, /* room for BF_IO_MAX_LEN */
			.len = request.len,
			.space = BF_IO_MMIO,
			.write = request.write,
		};

		memset(&reply, 0, sizeof(reply));
		reply.ret = bf_io_dispatch(bus, &access);
		reply.data = request.data;
		must_sys((int)send(fd, &reply, sizeof(reply), MSG_NOSIGNAL),
			 "send");
	}
}

/* A slow reader.  Its frame stays valid while the client shows others. */
static void *viewer_thread(void *opaque)
{
	struct display *display = opaque;

	while (!__atomic_load_n(&display->off, __ATOMIC_RELAXED)) {
		const int idx = srcu_read_lock(&frames);
		const struct frame *frame =
			srcu_dereference(display->front, &frames);
		const uint32_t colour = frame->pixels[0];
		int i;

		usleep(1000);
		for (i = 0; i < PIXELS; i++)
			expect(frame->pixels[i] == colour, "a whole frame");
		srcu_read_unlock(&frames, idx);
	}
	return NULL;
}

static void print_stats(struct bf_io_bus *bus, const struct parts *parts)
{
	struct bf_io_stats show_stats, canvas;

	bf_io_dump(bus, stdout);
	bf_io_doorbell_stats(parts->show, &show_stats);
	bf_io_range_stats(parts->canvas, &canvas);
	expect(show_stats.writes == FRAMES, "a doorbell signal per frame");
	expect(canvas.reads == FRAMES, "a canvas read per frame");
	expect(canvas.writes > 0, "writes while the ring was full");
	expect(canvas.writes < FRAMES * PIXELS / 2,
	       "most writes are coalesced");
}

static void run_server(int fd)
{
	struct display display = {0};
	struct parts parts;
	struct bf_io_bus *bus;
	pthread_t viewer;

	must(bf_io_bus_create("display", &bus), "bus");
	must(bf_io_count(bus, true), "counters");
	add_display(bus, &display, &parts);
	pthread_create(&viewer, NULL, viewer_thread, &display);
	serve(bus, fd);
	__atomic_store_n(&display.off, true, __ATOMIC_RELAXED);
	pthread_join(viewer, NULL);
	print_stats(bus, &parts);

	bf_io_bus_destroy(bus);
	must(bf_io_ring_destroy(display.ring), "ring");
	srcu_barrier(&frames); /* frees the replaced frames */
	free(display.front);
	free(display.back);
}

int main(void)
{
	int fds[2], status;
	pid_t child;

	must_sys(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), "socketpair");
	child = must_sys(fork(), "fork"); /* before the bus exists */
	if (!child) {
		close(fds[0]);
		return client(fds[1]);
	}
	close(fds[1]);
	run_server(fds[0]);
	must_sys(waitpid(child, &status, 0), "waitpid");
	expect(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the client succeeds");
	return 0;
}
