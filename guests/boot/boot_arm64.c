/* SPDX-License-Identifier: MIT */
/*
 * Reads the sectors with the words from the first virtio drive, one request
 * each, and compares them with memory.  Says the result on the serial port.
 */
#include <stdint.h>

#include "boot_arm64.h"

#define UART	     0x09000000
#define FIRST_DEVICE 0x0a000000 /* of the 32 that virt has for virtio */
#define DEVICES	     32
#define DEVICE_SIZE  0x200

/* Registers of a virtio device, in the layout that QEMU has by default. */
#define DEVICE_ID    0x08
#define PAGE_SIZE    0x28
#define QUEUE_SIZE   0x38
#define QUEUE_ALIGN  0x3c
#define QUEUE_PAGE   0x40
#define QUEUE_NOTIFY 0x50
#define IRQ_STATUS   0x60
#define IRQ_ACK	     0x64
#define STATUS	     0x70

#define ID_OF_DRIVE 2
#define STATUS_OK   7 /* acknowledged, has a driver, which is ready */
#define ENTRIES	    8 /* of the queue */
#define PAGE	    4096

enum { NEXT = 1, WRITE = 2 };

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct available {
	uint16_t flags;
	uint16_t index;
	uint16_t ring[ENTRIES];
};

struct used {
	uint16_t flags;
	volatile uint16_t index;
};

struct request {
	uint32_t type; /* 0: read */
	uint32_t reserved;
	uint64_t sector;
	volatile uint8_t status;
};

extern const uint32_t words[DATA_SECTORS * SECTOR / 4];
int main(void);

static struct descriptor *const descriptors = (void *)QUEUE;
static struct available *const available =
	(void *)(QUEUE + ENTRIES * sizeof(struct descriptor));
static const struct used *const used = (void *)(QUEUE + PAGE);
static struct request *const request = (void *)BUFFER;
static uint32_t *const sector = (void *)(BUFFER + PAGE);

static uint32_t read_reg(uintptr_t device, unsigned int reg)
{
	return *(volatile uint32_t *)(device + reg);
}

static void write_reg(uintptr_t device, unsigned int reg, uint32_t value)
{
	*(volatile uint32_t *)(device + reg) = value;
}

static void say(const char *text)
{
	for (; *text; text++)
		write_reg(UART, 0, (uint8_t)*text);
}

static uintptr_t find_drive(void)
{
	for (unsigned int i = 0; i < DEVICES; i++) {
		uintptr_t device = FIRST_DEVICE + i * DEVICE_SIZE;

		if (read_reg(device, DEVICE_ID) == ID_OF_DRIVE)
			return device;
	}
	return 0;
}

static void start_drive(uintptr_t drive)
{
	write_reg(drive, STATUS, 0);
	write_reg(drive, STATUS, 3);
	write_reg(drive, PAGE_SIZE, PAGE);
	write_reg(drive, QUEUE_SIZE, ENTRIES);
	write_reg(drive, QUEUE_ALIGN, PAGE);
	write_reg(drive, QUEUE_PAGE, QUEUE / PAGE);
	write_reg(drive, STATUS, STATUS_OK);
}

static void describe(unsigned int n, void *addr, uint32_t len, uint16_t flags)
{
	descriptors[n] = (struct descriptor){
		.addr = (uintptr_t)addr,
		.len = len,
		.flags = flags,
		.next = (uint16_t)(n + 1),
	};
}

/* The device reads the queue behind the barrier, and this its answer. */
static void read_sector(uintptr_t drive, uint64_t number)
{
	const uint16_t before = used->index;

	request->type = 0;
	request->sector = number;
	request->status = 0xff;
	describe(0, request, 16, NEXT);
	describe(1, sector, SECTOR, NEXT | WRITE);
	describe(2, (void *)&request->status, 1, WRITE);
	available->ring[available->index % ENTRIES] = 0;
	__asm__ volatile("dmb sy" ::: "memory");
	available->index++;
	__asm__ volatile("dsb sy" ::: "memory");
	write_reg(drive, QUEUE_NOTIFY, 0);
	while (used->index == before)
		;
	__asm__ volatile("dmb sy" ::: "memory");
	write_reg(drive, IRQ_ACK, read_reg(drive, IRQ_STATUS));
}

static int sector_is_right(const uint32_t *expected)
{
	for (unsigned int i = 0; i < SECTOR / 4; i++)
		if (sector[i] != expected[i])
			return 0;
	return request->status == 0;
}

int main(void)
{
	const uint64_t first = ((uintptr_t)words - LOAD_ADDR) / SECTOR;
	uintptr_t drive = find_drive();

	if (!drive) {
		say("no drive\n");
		return 1;
	}
	start_drive(drive);
	for (unsigned int n = 0; n < DATA_SECTORS; n++) {
		read_sector(drive, first + n);
		if (!sector_is_right(&words[n * SECTOR / 4])) {
			say("a sector is wrong\n");
			return 1;
		}
	}
	say("32 sectors are right\n");
	return 0;
}
