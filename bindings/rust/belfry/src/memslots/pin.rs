// SPDX-License-Identifier: MIT
//! Memory that a device keeps.

use std::marker::PhantomData;
use std::os::raw::c_void;
use std::ptr;

use belfry_sys as sys;

use super::{Memslots, Span};
use crate::callback;
use crate::error::{check, Error};

type Revoke = Box<dyn Fn() + Send + Sync>;

/// A pin, and what ends with it.
struct Parts {
    raw: *mut sys::bf_memslots_pinned,
    revoke: *mut Revoke,
    _map: Memslots,
}

// SAFETY: any thread may end a pin.
unsafe impl Send for Parts {}
unsafe impl Sync for Parts {}

impl Parts {
    fn end(self) {
        // SAFETY: revoke() returns false, so the pin has not ended; after this
        // call it is not called any more.
        unsafe {
            sys::bf_memslots_unpin(self.raw);
            drop(Box::from_raw(self.revoke));
        }
    }
}

/// Guest memory that stays until this value is dropped; see [`Memslots::pin`].
pub struct Pinned {
    parts: Option<Parts>,
    hva: *mut c_void,
    len: usize,
    write: bool,
    span: PhantomData<Span<'static>>,
}

// SAFETY: as of a span.
unsafe impl Send for Pinned {}
unsafe impl Sync for Pinned {}

impl Pinned {
    pub(super) fn new(
        map: &Memslots,
        space: u16,
        gpa: u64,
        len: u64,
        write: bool,
        revoke: Revoke,
    ) -> Result<Pinned, Error> {
        let revoke = Box::into_raw(Box::new(revoke));
        let desc = sys::bf_memslots_pin_desc {
            gpa,
            len,
            space: space.into(),
            write,
            revoke: Some(call_revoke),
            opaque: revoke as *mut c_void,
            ..Default::default()
        };
        let (mut raw, mut hva) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the closure lives until the pin has ended.
        let ret = unsafe { sys::bf_memslots_pin(map.as_ptr(), &desc, &mut raw, &mut hva) };
        if let Err(error) = check(ret) {
            // SAFETY: there is no pin.
            drop(unsafe { Box::from_raw(revoke) });
            return Err(error);
        }
        Ok(Pinned {
            parts: Some(Parts {
                raw,
                revoke,
                _map: map.clone(),
            }),
            hva,
            len: len as usize,
            write,
            span: PhantomData,
        })
    }

    /// The memory.
    pub fn span(&self) -> Span<'_> {
        Span::new(self.hva, self.len, self.write).expect("an address")
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            callback::end(move || parts.end());
        }
    }
}

/// Returns false: the holder uses the memory until it drops the pin.
unsafe extern "C" fn call_revoke(opaque: *mut c_void) -> bool {
    let revoke = &*(opaque as *const Revoke);
    callback::enter(revoke);
    false
}
