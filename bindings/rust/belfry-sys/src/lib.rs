// SPDX-License-Identifier: MIT
//! The C interface of belfry, as it is.
//!
//! Each module has the names of one C header, and the header is the manual of
//! each name: parameters, results, contexts, lifetimes.  The crate `belfry` has
//! a safe interface to the most important parts.
//!
//! `tests/headers.rs` compares sizes, offsets, constants and the parameters of
//! each function with the C headers.
//!
//! The macros that define a domain (`BF_SRCU_DEFINE`) have no counterpart; use
//! [`bf_srcu_init`].  The readers, which are inline functions in C, are calls.
//!
//! ```
//! let version = unsafe { std::ffi::CStr::from_ptr(belfry_sys::bf_version()) };
//! assert!(version.to_str().unwrap().starts_with("0."));
//! ```
#![allow(non_camel_case_types)]

/// A structure of C that only the library looks into.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
            _marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )*};
}

/// A structure whose all-zero value is its default.
macro_rules! zero_default {
    ($($name:ident)*) => {$(
        impl Default for $name {
            fn default() -> Self {
                // SAFETY: zero is a value of each member.
                unsafe { core::mem::zeroed() }
            }
        }
    )*};
}

mod front;
mod io_bus;
mod io_ring;
mod io_stats;
mod io_txn;
mod kvm;
mod log;
mod memslots;
mod srcu;
mod vcpus;
mod vm;

pub use front::*;
pub use io_bus::*;
pub use io_ring::*;
pub use io_stats::*;
pub use io_txn::*;
pub use kvm::*;
pub use log::*;
pub use memslots::*;
pub use srcu::*;
pub use vcpus::*;
pub use vm::*;
