//! Tests of the parser as its callers see it.
//!
//! `rules` goes through the contract's table case by case; `twin` is a second reader of records, slow and made of other
//! parts (`serde_json`, `jiff`), which must agree with the parser on every line that `generate` thinks of; `slabs` is
//! about lines, slabs and batches, `tokens` about what is nearly JSON. Every line of `rules` is also given to the twin. `differential` compares the parser
//! that speculates with the one that does not, with the vectors of each machine; everything the other tests parse goes
//! through that too.

mod differential;
mod generate;
mod rules;
mod shapes;
mod slabs;
mod tokens;
mod twin;

use engine_model::{Batch, Currency, Event, EventKind, EventTime, Field, Reason, Text};

use crate::{Rules, Slab, parse};

use self::differential::assert_parsers_agree;

/// 2026-01-01T00:00:00Z.
const NOW: i64 = 1_767_225_600_000_000;
const RULES: Rules = Rules { currency: Currency::USD, time_max: EventTime::from_micros(NOW) };

/// What a record says, as plain data that can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plain {
    kind: EventKind,
    micros: i64,
    event_id: String,
    session: Option<String>,
    customer: Option<String>,
    subject: Option<String>,
    cents: i64,
    items: Vec<PlainItem>,
    texts: Vec<Option<String>>,
}

/// Product, quantity, cents, category.
type PlainItem = (String, u32, i64, Option<String>);

/// Why a record is rejected.
type Refusal = (Reason, Option<Field>);

fn parse_all(bytes: &[u8], rules: &Rules) -> Batch {
    let mut batch = Batch::default();
    let consumed = parse(Slab { bytes, offset: 0, oversized: None }, rules, usize::MAX, &mut batch);
    assert_eq!(consumed, bytes.len());
    assert_parsers_agree(bytes, rules);
    batch
}

/// What became of the only record among `bytes`; `None` where there is none.
fn read(bytes: &[u8], rules: &Rules) -> Option<Result<Plain, Refusal>> {
    let batch = parse_all(bytes, rules);
    assert!(batch.record_count() <= 1, "more than one record");
    if let Some(line) = batch.rejected.first() {
        assert_holds_nothing(&batch);
        return Some(Err((line.rejection.reason, line.rejection.field)));
    }
    batch.events.first().map(|event| Ok(plain(&batch, event)))
}

fn assert_holds_nothing(batch: &Batch) {
    assert!(batch.events.is_empty() && batch.items.is_empty() && batch.texts.is_empty() && batch.arena.is_empty());
}

fn plain(batch: &Batch, event: &Event) -> Plain {
    let string = |text: Text| {
        let bytes = text.bytes(&batch.arena, &mut [0; 36]).to_vec();
        (!text.is_absent()).then(|| String::from_utf8(bytes).expect("texts are UTF-8"))
    };
    let mut plain = Plain {
        kind: event.kind,
        micros: event.time.as_micros(),
        event_id: string(event.event_id()).expect("every event has an id"),
        session: string(event.session()),
        customer: string(event.customer()),
        subject: string(event.subject()),
        cents: event.amount.get(),
        items: vec![],
        texts: vec![],
    };
    if event.kind == EventKind::Order {
        for item in batch.items_of(event) {
            let product = string(item.product).expect("every item has a product");
            plain.items.push((product, item.quantity, item.unit_price.get(), string(item.category)));
        }
    } else {
        plain.texts.extend(batch.texts_of(event).iter().map(|&text| string(text)));
    }
    plain
}

/// A record as its members: names, and values as raw JSON.
#[derive(Clone, Debug)]
struct Members(Vec<(String, String)>);

impl Members {
    fn of(members: &[(&str, &str)]) -> Members {
        Members(members.iter().map(|&(name, raw)| (format!("\"{name}\""), raw.to_owned())).collect())
    }

    /// With this value for a field, wherever it stood.
    fn with(&self, name: &str, raw: &str) -> Members {
        let mut changed = self.without(name);
        changed.0.push((format!("\"{name}\""), raw.to_owned()));
        changed
    }

    fn without(&self, name: &str) -> Members {
        let name = format!("\"{name}\"");
        Members(self.0.iter().filter(|(other, _)| *other != name).cloned().collect())
    }

    fn line(&self) -> String {
        let members: Vec<String> = self.0.iter().map(|(name, raw)| format!("{name}:{raw}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

const TIME: &str = r#""2025-12-31T23:59:59.25Z""#;
const MICROS: i64 = NOW - 750_000;

fn click() -> Members {
    Members::of(&[
        ("event_id", r#""e1""#),
        ("event_type", r#""click""#),
        ("event_time", TIME),
        ("session_id", r#""s1""#),
        ("customer_id", r#""c1""#),
        ("action", r#""view""#),
        ("product_id", r#""p1""#),
    ])
}

const ITEMS: &str = concat!(
    r#"[{"product_id":"p1","quantity":2,"unit_price":"10.5","category":"toys"},"#,
    r#"{"product_id":"p2","quantity":1,"unit_price":4.5}]"#,
);

fn order() -> Members {
    Members::of(&[
        ("event_id", r#""e2""#),
        ("event_type", r#""order""#),
        ("event_time", TIME),
        ("session_id", r#""s1""#),
        ("customer_id", r#""c1""#),
        ("order_id", r#""0123456789abcdef-long""#),
        ("currency", r#""USD""#),
        ("total", "25.50"),
        ("items", ITEMS),
    ])
}

fn payment() -> Members {
    Members::of(&[
        ("event_id", r#""e3""#),
        ("event_type", r#""payment""#),
        ("event_time", TIME),
        ("customer_id", r#""c1""#),
        ("order_id", r#""o1""#),
        ("currency", r#""USD""#),
        ("payment_id", r#""pay1""#),
        ("method", r#""card""#),
        ("amount", "\"25.5\""),
        ("status", r#""failed""#),
        ("failure_reason", r#""insufficient_funds_on_card""#),
    ])
}

fn customer() -> Members {
    Members::of(&[
        ("event_id", r#""e4""#),
        ("event_type", r#""customer""#),
        ("event_time", TIME),
        ("customer_id", r#""c1""#),
        ("country", r#""DE""#),
        ("segment", r#""""#),
    ])
}

fn product() -> Members {
    Members::of(&[
        ("event_id", r#""e5""#),
        ("event_type", r#""product""#),
        ("event_time", TIME),
        ("product_id", r#""p1""#),
        ("name", r#""A name of more than sixteen bytes""#),
        ("category", r#""toys""#),
        ("price", "0"),
    ])
}
