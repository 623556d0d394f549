// SPDX-License-Identifier: MIT
//! The logs of pages that devices have written.

use std::os::raw::c_void;

use belfry_sys as sys;

use super::change::slot_id;
use super::{lock, Memslots, Snapshot};
use crate::error::{check, Error};

/// No page is smaller.
const SMALLEST_PAGE: usize = 4096;

fn words(pages: usize) -> usize {
    (pages + 63) / 64
}

impl Memslots {
    /// The pages of a slot that devices have written since the last call: page
    /// `i` in bit `i % 64` of word `i / 64`.  There may be words of 0 behind
    /// the last page.
    ///
    /// The caller adds KVM's own log, and reads the pages after this call.
    ///
    /// ```
    /// use belfry::memslots::{Backing, Change, Config, Memslots, Slot};
    /// use std::sync::Arc;
    ///
    /// # fn main() -> Result<(), belfry::Error> {
    /// let map = Memslots::new(Config::default())?;
    /// let slot = Slot::new(0, 0, Arc::new(Backing::new(1 << 20)?));
    /// map.commit(&[Change::Set(slot.log_dirty_pages())])?;
    ///
    /// map.write(0, 0, b"test"); // a device
    /// assert_eq!(map.dirty_log(0, 0)?[0], 1);
    /// assert_eq!(map.dirty_log(0, 0)?[0], 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// With [`Config::manual_dirty_log`](super::Config::manual_dirty_log) the
    /// pages stay in the log until [`clear_dirty_log`](Memslots::clear_dirty_log).
    ///
    /// Fails with `ENOENT` if there is no such slot, or it does not log, and
    /// with [`Error::INVALID`] if its number is out of range.
    pub fn dirty_log(&self, space: u16, number: u16) -> Result<Vec<u64>, Error> {
        let id = slot_id(space, number);
        // No other thread changes the slot meanwhile.
        let slots = lock(&self.parts().slots);
        let len = slots.get(&id).map_or(0, |tag| tag.0.len());
        let mut bitmap = vec![0; words(len / SMALLEST_PAGE)];
        let log = sys::kvm_dirty_log {
            slot: id,
            padding1: 0,
            dirty_bitmap: bitmap.as_mut_ptr() as *mut c_void,
        };
        // SAFETY: the slot is a part of the memory, so the bitmap has a bit for
        // each of its pages.
        check(unsafe { sys::bf_memslots_get_dirty_log(self.as_ptr(), &log) })?;
        Ok(bitmap)
    }

    /// Takes pages out of the log of a slot: of `pages` pages from `first` on
    /// those whose bit is set.
    ///
    /// Fails with [`Error::INVALID`] if the bitmap is too short, if the pages
    /// are not all in the slot, and if `first` is no multiple of 64, or `pages`
    /// neither is one nor reaches to the end of the slot; with `ENOENT` as
    /// [`dirty_log`](Memslots::dirty_log).
    pub fn clear_dirty_log(
        &self,
        space: u16,
        number: u16,
        first: u64,
        pages: u32,
        bitmap: &[u64],
    ) -> Result<(), Error> {
        if bitmap.len() < words(pages as usize) {
            return Err(Error::INVALID);
        }
        let log = sys::kvm_clear_dirty_log {
            slot: slot_id(space, number),
            num_pages: pages,
            first_page: first,
            dirty_bitmap: bitmap.as_ptr() as *mut c_void,
        };
        // SAFETY: the library reads a bit for each of the pages.
        check(unsafe { sys::bf_memslots_clear_dirty_log(self.as_ptr(), &log) })?;
        Ok(())
    }
}

impl Snapshot<'_> {
    /// Marks pages that the caller has written through a [`Span`](super::Span),
    /// before the snapshot is dropped.  The copies of a map and a snapshot mark
    /// by themselves.
    ///
    /// Returns the number of bytes from the address on that are writable memory.
    pub fn mark_dirty(&self, space: u16, gpa: u64, len: u64) -> u64 {
        // SAFETY: the snapshot is taken.
        unsafe { sys::bf_memslots_mark_dirty(self.as_raw(), space.into(), gpa, len) }
    }
}
