// SPDX-License-Identifier: MIT
//! A bus without a VM: a device and a doorbell, changed while threads use them.

use belfry::bus::{Bus, Doorbell, Operation, Range, Space, TakenBy};
use belfry::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;

const DOORBELL: u64 = 0x1000;
const REGISTERS: u64 = 0x2000;
const ROUNDS: u64 = 1_000;

fn main() -> Result<(), Error> {
    let bus = Bus::new("example")?;
    let rung = Arc::new(AtomicU64::new(0));
    let count = rung.clone();
    let _doorbell = bus.on_doorbell(&Doorbell::new(Space::Mmio, DOORBELL, 4), move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    })?;

    let stop = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut value = [0];
                while !stop.load(Ordering::Relaxed) {
                    let taken = bus.write(Space::Mmio, DOORBELL, &[1, 0, 0, 0]);
                    assert_eq!(taken, Ok(TakenBy::Doorbell));
                    sent.fetch_add(1, Ordering::Relaxed);
                    match bus.read(Space::Mmio, REGISTERS + 3, &mut value) {
                        Ok(_) => assert_eq!(value, [3]),
                        Err(error) => assert_eq!(error, Error::NOT_TAKEN),
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            let device = bus.add_range(
                &Range::new(Space::Mmio, REGISTERS, 8),
                |offset, operation: Operation| {
                    if let Operation::Read(data) = operation {
                        data[0] = offset as u8;
                    }
                    Ok(())
                },
            );
            drop(device.expect("a free place"));
        }
        while sent.load(Ordering::Relaxed) < ROUNDS {
            std::thread::yield_now();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(rung.load(Ordering::Relaxed), sent.load(Ordering::Relaxed));
    println!(
        "{} devices came and went, {} doorbells rang",
        ROUNDS,
        sent.into_inner()
    );
    Ok(())
}
