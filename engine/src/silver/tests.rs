//! Goal: accepted events become rows of the table of their type, of their own day, and no others do.
//! Method: lines are parsed by hand and what would be sent is looked at; the rows of whole inputs are compared with the
//! oracle's in `tests/whole_engine.rs`.

use std::collections::BTreeMap;

use engine_model::{Currency, EventTime};
use engine_parse::{Rules, Slab, parse};

use super::*;

/// The second column of the rows kept of these lines by table and day: event ids, but those of offsets in `duplicates`.
fn kept(lines: &[String], duplicates: &[u64], late: &[u64]) -> BTreeMap<(&'static str, i64), Vec<String>> {
    let text = lines.join("\n");
    let mut batch = Batch::default();
    let rules = Rules { currency: Currency::USD, time_max: EventTime::EVENT_MAX };
    parse(Slab { bytes: text.as_bytes(), offset: 0, oversized: None }, &rules, 100, &mut batch);
    assert_eq!(batch.events.len(), lines.len());
    for event in batch.events.iter_mut().filter(|event| late.contains(&event.offset)) {
        event.judgement = Judgement::Late;
    }
    let mut keeper = EventKeeper::new(&Semantics::default());
    keeper.duplicates.extend(duplicates);
    keeper.keep(&batch, &SourceNames(vec![("shop".to_owned(), 0)]));
    assert!(keeper.duplicates.is_empty());
    let (mut tx, mut rx) = rtrb::RingBuffer::new(16);
    keeper.send(&mut tx, true).unwrap();
    let mut all = BTreeMap::new();
    while let Ok(report) = rx.pop() {
        let Report::Kept { layer: Layer::Silver, day: Some(day), rows } = report else { panic!("{report:?}") };
        let ids = (0..rows.len()).map(|row| match rows.cell(row, 0) {
            Cell::Text(id) => id.to_owned(),
            cell => panic!("{cell:?}"),
        });
        assert!(all.insert((rows.schema().name, day), ids.collect()).is_none(), "one part a table and day");
    }
    all
}

fn line(kind: &str, id: &str, second: i64, members: &str) -> String {
    let time = EventTime::from_micros(second * 1_000_000);
    format!(r#"{{"event_type":"{kind}","event_id":"{id}","event_time":"{time}",{members}}}"#)
}

fn checkout(id: &str, second: i64) -> String {
    line("click", id, second, r#""session_id":"s","action":"checkout""#)
}

#[test]
fn duplicates_and_late_events_are_left_out() {
    let lines = [checkout("a", 1), checkout("b", 2), checkout("a", 1), checkout("c", 3), checkout("d", 4)];
    let offset = |index: usize| lines[..index].iter().map(|line| line.len() as u64 + 1).sum();
    let kept = kept(&lines, &[offset(2), offset(4)], &[offset(1)]);
    assert_eq!(kept, BTreeMap::from([(("clicks", 0), vec!["a".to_owned(), "c".to_owned()])]));
}

#[test]
fn every_type_has_its_table_and_every_day_its_part() {
    let items =
        r#"[{"product_id":"p","quantity":1,"unit_price":1},{"product_id":"q","quantity":2,"unit_price":"2.50"}]"#;
    let order = format!(r#""customer_id":"c","order_id":"o","currency":"USD","total":6,"items":{items}"#);
    let payment = r#""order_id":"o","payment_id":"y","currency":"USD","method":"card","amount":6,"status":"failed""#;
    let lines = [
        line("order", "a-long-identifier-of-an-order", 86_399, &order),
        line("payment", "b", 86_400, payment),
        line("customer", "c", 86_399, r#""customer_id":"c""#),
        line("product", "d", 86_400, r#""product_id":"p","name":"n","category":"g","price":1"#),
        checkout("e", 86_399),
        checkout("f", 86_400),
    ];
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let order = "a-long-identifier-of-an-order";
    let expected = BTreeMap::from([
        (("orders", 0), ids(&[order])),
        (("order_items", 0), ids(&[order, order])),
        (("payments", 1), ids(&["b"])),
        (("customers", 0), ids(&["c"])),
        (("products", 1), ids(&["d"])),
        (("clicks", 0), ids(&["e"])),
        (("clicks", 1), ids(&["f"])),
    ]);
    assert_eq!(kept(&lines, &[], &[]), expected);
}
