// SPDX-License-Identifier: MIT
//! Memory for slots.

use std::ffi::CString;
use std::os::raw::{c_int, c_void};
use std::os::unix::io::{AsFd, BorrowedFd};
use std::ptr;

use belfry_sys as sys;

use super::GuestMemory;
use crate::callback::Relay;
use crate::error::{check, Error};

/// The options of a backing.
#[derive(Clone, Debug, Default)]
pub struct BackingConfig {
    /// In `/proc/PID/maps`; empty: "guest".
    pub name: String,
    /// Huge pages; smaller ones if there are none.
    pub huge: bool,
    /// The NUMA node of the memory.
    pub node: Option<u32>,
}

/// Shared memory of a memfd, between two guard regions.
pub struct Backing(sys::bf_memslots_backing);

// SAFETY: any thread may use the memory.
unsafe impl Send for Backing {}
unsafe impl Sync for Backing {}

// SAFETY: the memory stays until the value is dropped.
unsafe impl GuestMemory for Backing {
    fn as_ptr(&self) -> *mut u8 {
        self.0.hva as *mut u8
    }

    fn len(&self) -> usize {
        self.0.size as usize
    }
}

impl Backing {
    /// Allocates whole pages for a number of bytes.  Touches no page.
    ///
    /// Fails with [`Error::INVALID`] for no bytes, and without memory or
    /// descriptors.
    pub fn new(size: u64) -> Result<Backing, Error> {
        Backing::with_config(size, &BackingConfig::default())
    }

    /// The same with options.  Fails also if there is no such node.
    pub fn with_config(size: u64, config: &BackingConfig) -> Result<Backing, Error> {
        let name = CString::new(config.name.as_str()).map_err(|_| Error::INVALID)?;
        let desc = sys::bf_memslots_backing_desc {
            size,
            name: if config.name.is_empty() {
                ptr::null()
            } else {
                name.as_ptr()
            },
            huge: config.huge,
            bind: config.node.is_some(),
            node: config.node.unwrap_or(0),
            ..Default::default()
        };
        let mut backing = sys::bf_memslots_backing::default();
        // SAFETY: the name is a string, and backing takes the memory.
        check(unsafe { sys::bf_memslots_backing_create(&desc, &mut backing) })?;
        Ok(Backing(backing))
    }

    /// The size of the pages.
    pub fn page_size(&self) -> u64 {
        self.0.page_size
    }

    /// Allocates the pages before the guest runs.  The closure gets the bytes
    /// that are allocated, and all, some hundred times; with false it ends the
    /// call, which then fails with `ECANCELED`.
    pub fn prefault<P>(&mut self, progress: P) -> Result<(), Error>
    where
        P: FnMut(u64, u64) -> bool,
    {
        let mut relay = Relay::new(progress);
        let opaque = relay.opaque();
        // SAFETY: the closure lives during the call.
        let ret = unsafe {
            sys::bf_memslots_backing_prefault(&mut self.0, Some(call_progress::<P>), opaque)
        };
        relay.finish();
        check(ret).map(drop)
    }
}

/// The memfd, to share the memory with another process, which must not make it
/// shorter.
impl AsFd for Backing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as the value.
        unsafe { BorrowedFd::borrow_raw(self.0.fd) }
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        // SAFETY: no slot, snapshot or pin uses the memory: each keeps the value.
        unsafe { sys::bf_memslots_backing_destroy(&mut self.0) }
    }
}

unsafe extern "C" fn call_progress<P: FnMut(u64, u64) -> bool>(
    opaque: *mut c_void,
    done: u64,
    total: u64,
) -> c_int {
    let relay = &mut *(opaque as *mut Relay<P>);
    match relay.call(|progress| progress(done, total)) {
        Some(true) => 0,
        _ => 1,
    }
}
