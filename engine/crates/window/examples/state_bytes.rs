//! Prints what the state of an open window costs: bytes for each identifier, session, customer and product, in one shard
//! and spread over two and eight, and what merging and a snapshot take.
//!
//! `cargo run --release -p engine-window --example state_bytes`

use std::time::Instant;

use engine_model::{Batch, Event, EventKind, EventTime, Semantics, Text, fold};
use engine_window::{Shard, WindowPartial};

const EVENTS: u64 = 1_000_000;
const SESSIONS: u64 = 150_000;
const CUSTOMERS: u64 = 100_000;
const PRODUCTS: u64 = 5_000;

/// A number that looks drawn, the same at every run.
fn draw(seed: u64, n: u64) -> u64 {
    fold(n ^ 0x9E37_79B9_7F4A_7C15, fold(seed ^ 0xA076_1D64_78BD_642F, n | 1))
}

fn uuid(n: u64) -> String {
    let [high, low] = [draw(1, n), draw(2, n)];
    let (node_high, node_low) = (low >> 48, low & 0xFFFF_FFFF_FFFF);
    format!("{:08x}-{:04x}-4{:03x}-{node_high:04x}-{node_low:012x}", high >> 32, high >> 16 & 0xFFFF, high & 0xFFF)
}

fn view(batch: &mut Batch, n: u64) {
    let event_id = Text::new(uuid(n).as_bytes(), &mut batch.arena);
    let mut event = Event::new(EventKind::View, EventTime::from_micros((n % 60_000_000).cast_signed()), event_id);
    let session = draw(3, n) % SESSIONS;
    event.set_session(Text::new(format!("s-{session:011}").as_bytes(), &mut batch.arena));
    // Two thirds of the sessions are signed in.
    if session < CUSTOMERS {
        event.set_customer(Text::new(format!("c{session:07}").as_bytes(), &mut batch.arena));
    }
    let product = draw(4, n) % PRODUCTS;
    event.set_subject(Text::new(format!("p{product:05}").as_bytes(), &mut batch.arena));
    event.observed = Semantics::default().base().containing(event.time);
    batch.events.push(event);
}

fn main() {
    let semantics = Semantics::default();
    let window = semantics.base().containing(EventTime::EPOCH);
    println!("{EVENTS} clicks of one window: {SESSIONS} sessions, {CUSTOMERS} customers, {PRODUCTS} products");
    println!("bytes each, sums over all shards            state   one snapshot   merging");
    println!("shards     id  session  customer  product      MiB       clone ms        ms");
    let mut distinct = None;
    for count in [1, 2, 8] {
        let mut shards: Vec<Shard> = (0..count).map(|_| Shard::new(&semantics)).collect();
        let mut batch = Batch::default();
        for n in 0..EVENTS {
            if n % 1_000 == 0 {
                batch.reset(batch.header);
            }
            view(&mut batch, n);
            let event = batch.events[batch.events.len() - 1];
            let shard = fold(event.event_id().hash(), 0x2545_F491_4F6C_DD1D) % count;
            shards[usize::try_from(shard).expect("few shards")].ingest(&batch, &event);
        }
        let started = Instant::now();
        let snapshots: Vec<WindowPartial> = shards.iter().filter_map(|shard| shard.snapshot(window)).collect();
        let cloning = started.elapsed();
        let mut bytes = [0; 4];
        for snapshot in &snapshots {
            for (sum, part) in bytes.iter_mut().zip(snapshot.memory_bytes()) {
                *sum += part;
            }
        }
        let ids: usize = shards.iter().map(|shard| shard.remembered().1).sum();
        let started = Instant::now();
        let mut merged = WindowPartial::new(window);
        for snapshot in &snapshots {
            merged.merge(snapshot);
        }
        let merging = started.elapsed();
        let counts = [merged.session_count(), merged.customer_count() as u64, merged.product_count() as u64];
        assert_eq!(*distinct.get_or_insert(counts), counts, "the number of shards changes no count");
        let each = |bytes: usize, count: u64| bytes as u64 / count;
        println!(
            "{count:>6} {:>6} {:>8} {:>9} {:>8} {:>8} {:>14} {:>9}",
            each(ids, EVENTS),
            each(bytes[0], counts[0]),
            each(bytes[1], counts[1]),
            each(bytes[2], counts[2]),
            (ids + bytes[3]) >> 20,
            cloning.as_millis(),
            merging.as_millis(),
        );
    }
}
