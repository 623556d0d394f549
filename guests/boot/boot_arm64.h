/* SPDX-License-Identifier: MIT */
/* The guest's memory. */
#ifndef BOOT_ARM64_H
#define BOOT_ARM64_H

#define LOAD_ADDR    0x40080000 /* where QEMU puts a raw kernel */
#define STACK	     0x41000000 /* grows down */
#define QUEUE	     0x41000000 /* one page aligned queue */
#define BUFFER	     0x41010000
#define SECTOR	     512
#define DATA_SECTORS 32 /* one read each, so one doorbell signal each */

#endif
