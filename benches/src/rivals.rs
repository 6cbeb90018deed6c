//! What people would use instead of our parser: a struct with derived `Deserialize`, line by line.
//!
//! They do less than the contract asks: times stay text, money goes through a float, no rule but the types is checked.

use std::borrow::Cow;

use serde::Deserialize;

/// A text that borrows from the line where it has no escapes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A record of any type.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the fields of the contract, by their names there")]
pub struct Typed<'a> {
    #[serde(borrow)]
    pub event_id: Str<'a>,
    #[serde(borrow)]
    pub event_type: Str<'a>,
    #[serde(borrow)]
    pub event_time: Str<'a>,
    #[serde(borrow, default)]
    pub session_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub customer_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub action: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub product_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub order_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub currency: Option<Str<'a>>,
    #[serde(default)]
    pub total: Option<f64>,
    #[serde(default)]
    pub amount: Option<f64>,
    #[serde(default)]
    pub price: Option<f64>,
    #[serde(borrow, default)]
    pub items: Vec<Item<'a>>,
    #[serde(borrow, default)]
    pub payment_id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub method: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub status: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub failure_reason: Option<Str<'a>>,
}

/// An item of an order.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[expect(missing_docs, reason = "the fields of the contract, by their names there")]
pub struct Item<'a> {
    #[serde(borrow)]
    pub product_id: Str<'a>,
    pub quantity: u32,
    pub unit_price: f64,
    #[serde(borrow, default)]
    pub category: Option<Str<'a>>,
}

/// Reads every line with sonic-rs; returns how many it took.
#[must_use]
pub fn sonic(lines: &[u8]) -> u64 {
    count(lines, |line| std::hint::black_box(sonic_rs::from_slice::<Typed<'_>>(line)).is_ok())
}

/// Reads every line with `serde_json`; returns how many it took.
#[must_use]
pub fn serde(lines: &[u8]) -> u64 {
    count(lines, |line| std::hint::black_box(serde_json::from_slice::<Typed<'_>>(line)).is_ok())
}

/// Reads every line with simd-json, which writes into a copy of it; returns how many it took.
#[must_use]
pub fn simd(lines: &[u8]) -> u64 {
    let mut copy = Vec::new();
    let mut buffers = simd_json::Buffers::default();
    count(lines, |line| {
        copy.clear();
        copy.extend_from_slice(line);
        std::hint::black_box(simd_json::serde::from_slice_with_buffers::<Typed<'_>>(&mut copy, &mut buffers)).is_ok()
    })
}

fn count(lines: &[u8], mut is_read: impl FnMut(&[u8]) -> bool) -> u64 {
    let mut read = 0;
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        read += u64::from(is_read(&lines[start..end]));
        start = end + 1;
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{corpus, path};
    use engine_model::Batch;
    use engine_parse::Parser;

    #[test]
    fn rivals_read_valid_lines_as_we_do() {
        let lines = corpus::lines(&sim::Config { shares: sim::Shares::NONE, ..corpus::speed_config(3_000) }).unwrap();
        path::for_each_batch(&mut Parser::new(), &lines, 512, &mut Batch::default(), |batch| {
            assert!(batch.rejected.is_empty());
            for event in &batch.events {
                let start = usize::try_from(event.offset).unwrap();
                let line = &lines[start..start + event.line_len as usize];
                let typed: Typed<'_> = serde_json::from_slice(line).unwrap();
                assert_eq!(sonic_rs::from_slice::<Typed<'_>>(line).unwrap(), typed);
                assert_eq!(simd_json::serde::from_slice::<Typed<'_>>(&mut line.to_vec()).unwrap(), typed);
                let id = event.event_id();
                assert_eq!(id.bytes(&batch.arena, &mut [0; 36]), typed.event_id.0.as_bytes());
                assert_eq!(event.kind.event_type(), typed.event_type.0);
                let instant: jiff::Timestamp = typed.event_time.0.parse().unwrap();
                assert_eq!(instant.as_microsecond(), event.time.as_micros());
                let money = typed.total.or(typed.amount).or(typed.price).unwrap_or(0.0) * 100.0;
                assert_eq!(format!("{money:.0}"), event.amount.get().to_string());
            }
        });
        assert_eq!([sonic(&lines), serde(&lines), simd(&lines)], [3_000; 3]);
    }
}
