// SPDX-License-Identifier: MIT
//! belfry: sleepable RCU, an I/O bus and KVM doorbells without stalls.
//!
//! - [`srcu`]: domains whose readers may sleep, with guards, deferred calls and
//!   a published value that readers never wait for.
//! - [`bus`]: dispatch of guest accesses to devices, which are closures, and to
//!   doorbells.  A registration publishes and returns.
//! - [`front`]: KVM's doorbells in front of descriptors that stay the VMM's, so
//!   that registrations do not stall later changes of the VM.
//!
//! This crate covers the parts that a VMM in Rust needs most.  `belfry_sys` has
//! all of the C interface, and the C headers are the manual of both.
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
//! has ended.
//!
//! # Leaks
//!
//! Memory safety does not depend on destructors.  A guard that is forgotten
//! leaves its section open: whatever waits for the section waits for ever.

#![warn(missing_docs)]

pub mod bus;
mod callback;
mod error;
pub mod front;
pub mod srcu;

pub use error::Error;
