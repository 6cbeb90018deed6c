//! A hop of records from one thread to another as between the engine's threads: batches in a ring of `rtrb`'s, and
//! empty ones back.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use engine_model::Batch;
use rtrb::RingBuffer;

use crate::path::{receive, send};

/// Batches on their way, as in the engine.
const BATCHES: usize = 8;

/// Writes the events of `template` into an empty batch: in place of the parser.
fn fill(batch: &mut Batch, template: &Batch) {
    batch.reset(template.header);
    batch.events.extend_from_slice(&template.events);
}

/// Reads both cache lines of every event: in place of the shard.
fn read(batch: &Batch) -> u64 {
    batch.events.iter().fold(0, |sum, event| {
        sum.wrapping_add(event.time.as_micros().cast_unsigned()).wrapping_add(event.event_id().hash())
    })
}

/// Sends `messages` copies of `template` to another thread. Returns the time from when both threads stand ready until the
/// last one is read, and the sum of what was read.
///
/// # Panics
/// Where the other thread panics.
#[must_use]
pub fn hop(template: &Batch, messages: u64) -> (Duration, u64) {
    let (mut tx, mut rx) = RingBuffer::new(BATCHES);
    let (mut give_back, mut empty) = RingBuffer::new(BATCHES);
    let ready = Barrier::new(2);
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    thread::scope(|scope| {
        let consumer = scope.spawn(|| {
            if let [_, .., last] = cores.as_slice() {
                core_affinity::set_for_current(*last);
            }
            ready.wait();
            let mut sum = 0_u64;
            while let Some(batch) = receive::<Batch>(&mut rx) {
                sum = sum.wrapping_add(read(&batch));
                // Where the way back is full, enough batches are under way and this one is freed.
                let _ = give_back.push(batch);
            }
            sum
        });
        ready.wait();
        let started = Instant::now();
        for _ in 0..messages {
            let mut batch = empty.pop().unwrap_or_default();
            fill(&mut batch, template);
            send(&mut tx, batch);
        }
        drop(tx);
        let sum = consumer.join().expect("the consumer only reads");
        (started.elapsed(), sum)
    })
}

/// The same work on one thread, through a ring that is never empty or full when it matters.
///
/// # Panics
/// Never: what it receives it has just sent.
#[must_use]
pub fn hop_alone(template: &Batch, messages: u64) -> (Duration, u64) {
    let (mut tx, mut rx) = RingBuffer::new(BATCHES);
    let mut empty = Batch::default();
    let mut sum = 0_u64;
    let started = Instant::now();
    for _ in 0..messages {
        fill(&mut empty, template);
        send(&mut tx, std::mem::take(&mut empty));
        let batch = receive(&mut rx).expect("just sent");
        sum = sum.wrapping_add(read(&batch));
        empty = batch;
    }
    (started.elapsed(), sum)
}

/// The same work on one thread without a ring: what there is to do at either end of it.
#[must_use]
pub fn no_hop(template: &Batch, messages: u64) -> (Duration, u64) {
    let mut batch = Batch::default();
    let mut sum = 0_u64;
    let started = Instant::now();
    for _ in 0..messages {
        fill(&mut batch, template);
        sum = sum.wrapping_add(read(std::hint::black_box(&batch)));
    }
    (started.elapsed(), sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made::{self, Vary};

    #[test]
    fn everything_sent_is_read_once() {
        for records in [1, 3, 512] {
            let template = &made::views(records, records, Vary::NOTHING)[0];
            let expected = (0..100).fold(0_u64, |sum, _| sum.wrapping_add(read(template)));
            assert_ne!(expected, 0);
            for way in [hop, hop_alone, no_hop] {
                assert_eq!(way(template, 100).1, expected, "{records} records a message");
            }
        }
    }
}
