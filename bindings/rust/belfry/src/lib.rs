// SPDX-License-Identifier: MIT
//! belfry: sleepable RCU, an I/O bus and KVM doorbells without stalls.
//!
//! - [`srcu`]: domains whose readers may sleep, with guards, deferred calls and
//!   a published value that readers never wait for.
//! - [`bus`]: dispatch of guest accesses to devices, which are closures, and to
//!   doorbells, and zones whose writes go into a ring.  A registration publishes
//!   and returns; a transaction publishes several at once.
//! - [`memslots`]: the map from guest-physical addresses to memory, with
//!   snapshots that changes do not wait for.
//! - [`vcpus`]: the vCPUs of a VM, found by id and by index without a lock.
//! - [`front`]: KVM's doorbells in front of descriptors that stay the VMM's, so
//!   that registrations do not stall later changes of the VM.
//!
//! `belfry_sys` has all of the C interface, and the C headers are the manual of
//! both.  Only there: `belfry/vm.h`, which owns the descriptors of a VM, a front
//! on a bus of the program's own, sections and lookups of a bus, and long and
//! string accesses.
//!
//! ```
//! use belfry::bus::{Bus, Operation, Range, Space};
//!
//! # fn main() -> Result<(), belfry::Error> {
//! let bus = Bus::new("example")?;
//! let _uart = bus.add_range(
//!     &Range::new(Space::Pio, 0x3f8, 8).name("uart"),
//!     |offset, operation: Operation| {
//!         if let Operation::Read(data) = operation {
//!             data.fill(offset as u8);
//!         }
//!         Ok(())
//!     },
//! )?;
//! let mut status = [0];
//! bus.read(Space::Pio, 0x3fd, &mut status)?;
//! assert_eq!(status, [5]);
//! # Ok(())
//! # }
//! ```
//!
//! # Panics in closures
//!
//! A closure that panics does not unwind into the library.  The panic hook
//! prints its message; a device then has failed with `EIO`, and a deferred call
//! has ended.  A closure that its own caller waits for, as that of a drain, is
//! different: its panic goes on behind the call.
//!
//! # Leaks
//!
//! Memory safety does not depend on destructors.  A guard that is forgotten
//! leaves its section open: whatever waits for the section waits for ever, the
//! end of a bus, of a map or of a table too.

#![warn(missing_docs)]

pub mod bus;
mod callback;
mod error;
pub mod front;
pub mod memslots;
pub mod srcu;
pub mod vcpus;

pub use error::Error;
