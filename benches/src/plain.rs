//! Control of the struct path: the same loop and the same products and sums, without dedup and distinct sets.

use engine_model::{Batch, EventKind, Judgement, PartitionId, Semantics, Text};
use engine_window::{Arrival, Progress, TextMap};

/// What the control adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Valid records.
    pub events: u64,
    /// Late ones among them.
    pub late: u64,
    /// Cents of orders, duplicates included.
    pub revenue: i64,
    /// Slots of products, over all windows.
    pub products: u64,
}

/// Judges and adds up `batches`.
pub fn run(batches: &mut [Batch], semantics: &Semantics) -> Counts {
    let base = semantics.base();
    let mut progress = Progress::new(PartitionId(0), semantics);
    let mut observed = Vec::new();
    let mut counts = Counts::default();
    let mut windows: Vec<(engine_model::WindowId, TextMap<[u64; 2]>)> = Vec::new();
    for batch in batches {
        progress.judge(batch, Arrival::REPLAY, &mut observed);
        for event in &batch.events {
            counts.events += 1;
            if event.judgement == Judgement::Late {
                counts.late += 1;
                continue;
            }
            let window = base.containing(event.time);
            let index = windows.iter().rposition(|open| open.0 == window).unwrap_or_else(|| {
                windows.push((window, TextMap::default()));
                windows.len() - 1
            });
            let products = &mut windows[index].1;
            let mut add = |text: &Text, amount: u64| {
                let (sums, _) = products.entry_or_insert_with(text, &batch.arena, Default::default);
                sums[0] += 1;
                sums[1] += amount;
            };
            if event.kind == EventKind::Order {
                counts.revenue += event.amount.get();
                for item in batch.items_of(event) {
                    add(&item.product, item.unit_price.get().cast_unsigned() * u64::from(item.quantity));
                }
            } else if matches!(event.kind, EventKind::View | EventKind::AddToCart) {
                add(&event.subject(), 0);
            }
        }
        let watermark = progress.watermark();
        windows.retain(|(window, products)| {
            let is_open = !watermark.passes(base.end(*window));
            counts.products += if is_open { 0 } else { products.len() as u64 };
            is_open
        });
    }
    counts.products += windows.iter().map(|(_, products)| products.len() as u64).sum::<u64>();
    counts
}
