// SPDX-License-Identifier: MIT
//! Tables that follow a map.

use std::os::raw::c_void;
use std::ptr;
use std::sync::Arc;

use belfry_sys as sys;

use super::{GuestMemory, Memslots, Region, Tag};
use crate::callback;
use crate::error::{check, Error};

/// A table outside of the map, of vhost or VFIO for example, that follows its
/// changes.
///
/// A transaction calls `begin`, then `remove` for each slot that left its place,
/// then `add` and `flags` for the others, then `commit`.  The thread that makes
/// the change calls them, under the map's lock: they may look up, and must not
/// change the map, listen, or drop a listener's handle.
pub trait Listener: Send + 'static {
    /// A transaction begins.
    fn begin(&mut self) {}
    /// A slot has left its place.
    fn remove(&mut self, _region: &Region, _memory: &Arc<dyn GuestMemory>) {}
    /// A slot has come to a place.
    fn add(&mut self, _region: &Region, _memory: &Arc<dyn GuestMemory>) {}
    /// Only the flags of a slot have changed.
    fn flags(&mut self, _region: &Region, _memory: &Arc<dyn GuestMemory>) {}
    /// The transaction ends.
    fn commit(&mut self) {}
}

type Object = Box<dyn Listener>;

/// A listener, and what ends with it.
struct Parts {
    raw: *mut sys::bf_memslots_listener,
    listener: *mut Object,
    _map: Memslots,
}

// SAFETY: any thread may end a listener, which is Send.
unsafe impl Send for Parts {}
unsafe impl Sync for Parts {}

impl Parts {
    fn end(self) {
        // SAFETY: after this call no callback runs.
        unsafe {
            sys::bf_memslots_unlisten(self.raw);
            drop(Box::from_raw(self.listener));
        }
    }
}

/// A listener of a map.  Its end waits for a transaction in progress.
pub struct ListenerHandle(Option<Parts>);

impl ListenerHandle {
    pub(super) fn new(map: &Memslots, listener: Object) -> Result<ListenerHandle, Error> {
        let listener = Box::into_raw(Box::new(listener));
        let desc = sys::bf_memslots_listener_desc {
            begin: Some(begin),
            remove: Some(remove),
            add: Some(add),
            flags: Some(flags),
            commit: Some(commit),
            opaque: listener as *mut c_void,
            ..Default::default()
        };
        let mut raw = ptr::null_mut();
        // SAFETY: the object lives until the listener has ended.
        let ret = unsafe { sys::bf_memslots_listen(map.as_ptr(), &desc, &mut raw) };
        if let Err(error) = check(ret) {
            // SAFETY: there is no listener.
            drop(unsafe { Box::from_raw(listener) });
            return Err(error);
        }
        Ok(ListenerHandle(Some(Parts {
            raw,
            listener,
            _map: map.clone(),
        })))
    }
}

impl Drop for ListenerHandle {
    fn drop(&mut self) {
        if let Some(parts) = self.0.take() {
            callback::end(move || parts.end());
        }
    }
}

/// Calls the listener, which the map's lock makes the only user of the object.
unsafe fn enter(opaque: *mut c_void, call: impl FnOnce(&mut dyn Listener)) {
    let listener = &mut *(opaque as *mut Object);
    callback::enter(|| call(&mut **listener));
}

unsafe extern "C" fn begin(opaque: *mut c_void) {
    enter(opaque, |listener| listener.begin());
}

unsafe extern "C" fn commit(opaque: *mut c_void) {
    enter(opaque, |listener| listener.commit());
}

macro_rules! of_slot {
    ($($name:ident)*) => {$(
        unsafe extern "C" fn $name(
            opaque: *mut c_void,
            region: *const sys::kvm_userspace_memory_region,
            tag: *mut c_void,
        ) {
            let memory = &(*(tag as *const Tag)).0;
            enter(opaque, |listener| listener.$name(&Region::new(&*region), memory));
        }
    )*};
}

of_slot!(remove add flags);
