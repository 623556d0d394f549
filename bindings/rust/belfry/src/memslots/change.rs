// SPDX-License-Identifier: MIT
//! What a commit changes.

use std::collections::HashMap;
use std::os::raw::c_void;
use std::ptr;
use std::sync::Arc;

use belfry_sys as sys;

use super::GuestMemory;
use crate::error::Error;

pub(super) const KVM_MEM_LOG_DIRTY_PAGES: u32 = 1;
pub(super) const KVM_MEM_READONLY: u32 = 2;

/// A slot to add, to move, or to get other flags.
#[derive(Clone)]
pub struct Slot {
    space: u16,
    number: u16,
    gpa: u64,
    memory: Arc<dyn GuestMemory>,
    offset: usize,
    size: usize,
    flags: u32,
}

impl Slot {
    /// Describes a slot of all of a memory, in address space 0.
    pub fn new<M: GuestMemory>(number: u16, gpa: u64, memory: Arc<M>) -> Slot {
        Slot {
            space: 0,
            number,
            gpa,
            offset: 0,
            size: memory.len(),
            memory,
            flags: 0,
        }
    }

    /// The slot is in another address space.
    pub fn space(mut self, space: u16) -> Slot {
        self.space = space;
        self
    }

    /// The slot has a part of the memory.
    pub fn part(mut self, offset: usize, size: usize) -> Slot {
        self.offset = offset;
        self.size = size;
        self
    }

    /// The guest does not write to the slot.
    pub fn read_only(mut self) -> Slot {
        self.flags |= KVM_MEM_READONLY;
        self
    }

    /// KVM logs the pages that the guest writes to, and the map those that
    /// devices write to: [`Memslots::dirty_log`](super::Memslots::dirty_log).
    pub fn log_dirty_pages(mut self) -> Slot {
        self.flags |= KVM_MEM_LOG_DIRTY_PAGES;
        self
    }

    /// The slot in the kernel's form; fails if the memory does not have it.
    fn region(&self) -> Result<sys::kvm_userspace_memory_region, Error> {
        let end = self.offset.checked_add(self.size).ok_or(Error::INVALID)?;
        if self.size == 0 || end > self.memory.len() {
            return Err(Error::INVALID);
        }
        Ok(sys::kvm_userspace_memory_region {
            slot: slot_id(self.space, self.number),
            flags: self.flags,
            guest_phys_addr: self.gpa,
            memory_size: self.size as u64,
            userspace_addr: self.memory.as_ptr() as u64 + self.offset as u64,
        })
    }
}

pub(super) fn slot_id(space: u16, number: u16) -> u32 {
    u32::from(space) << 16 | u32::from(number)
}

/// One change of a map.
#[derive(Clone)]
pub enum Change {
    /// Adds the slot.  One that exists, with the same memory, is moved or gets
    /// other flags.
    Set(Slot),
    /// Removes a slot.
    Remove {
        /// The address space.
        space: u16,
        /// The number of the slot there.
        number: u16,
    },
}

/// The tag of a slot: keeps the memory as long as the slot.
pub(super) struct Tag(pub(super) Arc<dyn GuestMemory>);

pub(super) type Slots = HashMap<u32, Arc<Tag>>;

/// What a commit would change.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) regions: Vec<sys::kvm_userspace_memory_region>,
    pub(super) tags: Vec<*mut c_void>,
    pub(super) changed: HashMap<u32, Option<Arc<Tag>>>,
    pub(super) leaving: Vec<Arc<Tag>>,
    /// Only slots that did not exist: no snapshot has seen them.
    pub(super) additions_only: bool,
}

impl Plan {
    pub(super) fn new(changes: &[Change], slots: &Slots) -> Result<Plan, Error> {
        let mut plan = Plan {
            additions_only: true,
            ..Plan::default()
        };
        for change in changes {
            match change {
                Change::Set(slot) => plan.set(slot, slots)?,
                Change::Remove { space, number } => plan.remove(slot_id(*space, *number), slots),
            }
        }
        Ok(plan)
    }

    fn present(&self, id: u32, slots: &Slots) -> Option<Arc<Tag>> {
        match self.changed.get(&id) {
            Some(changed) => changed.clone(),
            None => slots.get(&id).cloned(),
        }
    }

    fn set(&mut self, slot: &Slot, slots: &Slots) -> Result<(), Error> {
        let region = slot.region()?;
        let mut tag = ptr::null_mut();
        if self.present(region.slot, slots).is_some() {
            self.additions_only = false;
        } else {
            let new = Arc::new(Tag(slot.memory.clone()));
            tag = Arc::as_ptr(&new) as *mut c_void;
            self.changed.insert(region.slot, Some(new));
        }
        self.regions.push(region);
        self.tags.push(tag);
        Ok(())
    }

    fn remove(&mut self, id: u32, slots: &Slots) {
        self.leaving.extend(self.present(id, slots));
        self.additions_only = false;
        self.changed.insert(id, None);
        self.regions.push(sys::kvm_userspace_memory_region {
            slot: id,
            ..Default::default()
        });
        self.tags.push(ptr::null_mut());
    }

    /// The library has made the changes.
    pub(super) fn made(&mut self, slots: &mut Slots) {
        for (id, tag) in self.changed.drain() {
            match tag {
                Some(tag) => slots.insert(id, tag),
                None => slots.remove(&id),
            };
        }
    }
}
