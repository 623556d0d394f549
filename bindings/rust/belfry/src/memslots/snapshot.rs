// SPDX-License-Identifier: MIT
//! Lookups in one version of a map.

use std::marker::PhantomData;
use std::mem::size_of;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicU8};
use std::sync::Arc;

use belfry_sys as sys;

use super::{GuestMemory, Memslots, Tag, KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY};
use crate::error::{check, Error};

/// A slot of a map, as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The address space.
    pub space: u16,
    /// The number of the slot there.
    pub number: u16,
    /// The guest-physical address.
    pub gpa: u64,
    /// The bytes.
    pub size: u64,
    /// The address in this process.
    pub hva: u64,
    /// The guest does not write.
    pub read_only: bool,
    /// KVM logs the pages that the guest writes to.
    pub log_dirty_pages: bool,
}

impl Region {
    pub(super) fn new(region: &sys::kvm_userspace_memory_region) -> Region {
        Region {
            space: (region.slot >> 16) as u16,
            number: region.slot as u16,
            gpa: region.guest_phys_addr,
            size: region.memory_size,
            hva: region.userspace_addr,
            read_only: region.flags & KVM_MEM_READONLY != 0,
            log_dirty_pages: region.flags & KVM_MEM_LOG_DIRTY_PAGES != 0,
        }
    }
}

/// One version of a map.  Removals wait for it.
pub struct Snapshot<'m> {
    raw: sys::bf_memslots_snapshot,
    map: PhantomData<&'m Memslots>,
}

// SAFETY: any thread may look up in a snapshot, and another one may drop it.
unsafe impl Send for Snapshot<'_> {}
unsafe impl Sync for Snapshot<'_> {}

impl<'m> Snapshot<'m> {
    pub(super) fn take(map: &'m Memslots) -> Snapshot<'m> {
        let mut raw = sys::bf_memslots_snapshot::default();
        // SAFETY: the map outlives the snapshot.
        unsafe { sys::bf_memslots_take(map.as_ptr(), &mut raw) };
        Snapshot {
            raw,
            map: PhantomData,
        }
    }

    pub(super) fn as_raw(&self) -> *const sys::bf_memslots_snapshot {
        &self.raw
    }

    /// A range within one slot; `None` if there is none, or if it is read-only
    /// and the caller writes.
    pub fn span(&self, space: u16, gpa: u64, len: usize, write: bool) -> Option<Span<'_>> {
        // SAFETY: the snapshot is taken, here and below.
        let hva = unsafe { sys::bf_memslots_hva(&self.raw, space.into(), gpa, len as u64, write) };
        Span::new(hva, len, write)
    }

    /// The parts of a range that may cross slots, up to the first byte without
    /// memory, or with read-only memory where the caller writes.
    pub fn spans(&self, space: u16, gpa: u64, len: u64, write: bool) -> Spans<'_> {
        Spans {
            snapshot: self,
            space,
            gpa,
            left: len,
            write,
        }
    }

    /// The slots of an address space, in the order of their addresses.
    pub fn slots(&self, space: u16) -> impl Iterator<Item = Region> + '_ {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let mut region = sys::kvm_userspace_memory_region::default();
            let gpa = next.take()?;
            if !unsafe { sys::bf_memslots_next(&self.raw, space.into(), gpa, &mut region) } {
                return None;
            }
            next = region.guest_phys_addr.checked_add(region.memory_size);
            Some(Region::new(&region))
        })
    }

    /// The memory behind the slot at an address.
    pub fn memory(&self, space: u16, gpa: u64) -> Option<&Arc<dyn GuestMemory>> {
        let mut tag = std::ptr::null_mut();
        let ret = unsafe { sys::bf_memslots_tag(&self.raw, space.into(), gpa, &mut tag) };
        // SAFETY: the removal of the slot keeps the tag until the snapshot ends.
        (ret == 0).then(|| unsafe { &(*(tag as *const Tag)).0 })
    }

    /// The lowest guest address of an address in this process.  It walks the
    /// slots.
    ///
    /// Fails with `ENOENT` if no slot of the space has that memory.
    pub fn gpa_of(&self, space: u16, hva: *const u8) -> Result<u64, Error> {
        let mut gpa = 0;
        let hva = hva as *const c_void;
        check(unsafe { sys::bf_memslots_gpa_of_hva(&self.raw, space.into(), hva, &mut gpa) })?;
        Ok(gpa)
    }

    /// Copies out of guest memory, as [`Memslots::read`] does.
    pub fn read(&self, space: u16, gpa: u64, data: &mut [u8]) -> usize {
        let buffer = data.as_mut_ptr() as *mut c_void;
        unsafe { sys::bf_memslots_snapshot_read(&self.raw, space.into(), gpa, buffer, data.len()) }
    }

    /// Copies into guest memory, as [`Memslots::write`] does.
    pub fn write(&self, space: u16, gpa: u64, data: &[u8]) -> usize {
        let buffer = data.as_ptr() as *const c_void;
        unsafe { sys::bf_memslots_snapshot_write(&self.raw, space.into(), gpa, buffer, data.len()) }
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // SAFETY: the snapshot is taken.
        unsafe { sys::bf_memslots_drop(&mut self.raw) }
    }
}

/// The parts of a range; see [`Snapshot::spans`].
pub struct Spans<'s> {
    snapshot: &'s Snapshot<'s>,
    space: u16,
    gpa: u64,
    left: u64,
    write: bool,
}

impl<'s> Iterator for Spans<'s> {
    type Item = Span<'s>;

    fn next(&mut self) -> Option<Span<'s>> {
        if self.left == 0 {
            return None;
        }
        let mut len = 0;
        // SAFETY: the snapshot is taken.
        let hva = unsafe {
            sys::bf_memslots_span(
                &self.snapshot.raw,
                self.space.into(),
                self.gpa,
                self.write,
                &mut len,
            )
        };
        let len = len.min(self.left);
        // Behind the end of the space there is no memory.
        self.left = self.gpa.checked_add(len).map_or(0, |_| self.left - len);
        self.gpa = self.gpa.wrapping_add(len);
        Span::new(hva, len as usize, self.write)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// An integer that a guest may change: `AtomicU8` to `AtomicU64`.
pub trait AtomicCell: sealed::Sealed {}

macro_rules! atomic_cells {
    ($($cell:ty)*) => {$(
        impl sealed::Sealed for $cell {}
        impl AtomicCell for $cell {}
    )*};
}

atomic_cells!(AtomicU8 AtomicU16 AtomicU32 AtomicU64);

/// Guest memory within one slot, for as long as a snapshot or a pin.
#[derive(Clone, Copy, Debug)]
pub struct Span<'s> {
    hva: *mut u8,
    len: usize,
    write: bool,
    keeps: PhantomData<&'s ()>,
}

// SAFETY: any thread may use the memory, which stays for the lifetime.
unsafe impl Send for Span<'_> {}
unsafe impl Sync for Span<'_> {}

impl<'s> Span<'s> {
    pub(super) fn new(hva: *mut c_void, len: usize, write: bool) -> Option<Span<'s>> {
        (!hva.is_null()).then(|| Span {
            hva: hva as *mut u8,
            len,
            write,
            keeps: PhantomData,
        })
    }

    /// The address, good for the lifetime of the span.
    pub fn as_ptr(&self) -> *mut u8 {
        self.hva
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies out of the memory from an offset on.  The copy is not atomic.
    ///
    /// # Panics
    /// If the span is too short.
    pub fn read(&self, offset: usize, data: &mut [u8]) {
        self.check(offset, data.len());
        for (i, byte) in data.iter_mut().enumerate() {
            // SAFETY: the byte is in the span.  Volatile: the guest may write.
            *byte = unsafe { self.hva.add(offset + i).read_volatile() };
        }
    }

    /// Copies into the memory from an offset on.  The copy is not atomic.
    ///
    /// # Panics
    /// If the span is too short, or was not asked for to write.
    pub fn write(&self, offset: usize, data: &[u8]) {
        self.check(offset, data.len());
        assert!(self.write, "the span is for reading");
        for (i, &byte) in data.iter().enumerate() {
            // SAFETY: as above.
            unsafe { self.hva.add(offset + i).write_volatile(byte) };
        }
    }

    /// The integer at an offset, for an index of a virtqueue for example;
    /// `None` if it is not in the span, not aligned, or the span was not asked
    /// for to write.
    pub fn atomic<T: AtomicCell>(&self, offset: usize) -> Option<&'s T> {
        let end = offset.checked_add(size_of::<T>())?;
        let addr = self.hva as usize + offset;
        if end > self.len || addr % size_of::<T>() != 0 || !self.write {
            return None;
        }
        // SAFETY: the memory is in the span and aligned, and any value is one
        // of the type.
        Some(unsafe { &*(addr as *const T) })
    }

    fn check(&self, offset: usize, len: usize) {
        let end = offset.checked_add(len);
        assert!(
            end.map_or(false, |end| end <= self.len),
            "{} bytes at {} in a span of {}",
            len,
            offset,
            self.len
        );
    }
}
