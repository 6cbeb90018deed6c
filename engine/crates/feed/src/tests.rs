//! The messages of a small run, field by field: what `docs/feed.md` promises and a page relies on.

use engine_model::{Batch, BatchHeader, Micros, PartitionId, Semantics, Watermark};
use engine_window::{Arrival, Ledger, Merger, Progress, Shard};
use serde_json::{Value, json};

use super::*;

/// Two minutes of the simulator's trade, closed; every message of a window.
fn windows(semantics: &Semantics, top: usize) -> Vec<Value> {
    let config =
        sim::Config { rate: 200.0, bound: sim::Bound::Duration(Micros::from_seconds(120)), ..sim::Config::default() };
    let mut simulator = sim::Simulator::new(&config, 0).unwrap();
    let (mut batch, mut slab, mut observed) = (Batch::default(), Vec::new(), Vec::new());
    let mut progress = Progress::new(PartitionId(0), semantics);
    let mut shard = Shard::new(semantics);
    batch.reset(BatchHeader::default());
    simulator.next_batch(usize::MAX, &mut batch, &mut slab);
    progress.judge(&mut batch, Arrival::REPLAY, &mut observed);
    shard.ingest_batch(&batch, |_| ());
    observed.push(progress.finish().unwrap());
    let close = shard.close(Watermark::END);
    let mut merger = Merger::new(semantics);
    close.windows.into_iter().for_each(|partial| merger.add_window(partial));
    close.quality.into_iter().chain(observed).for_each(|partial| merger.add_quality(partial));
    let mut rows = merger.empty_rows();
    let mut messages = Vec::new();
    while let Some(closed) = merger.close_next(Watermark::END, &mut rows) {
        let name_of = |product_id: &str| merger.product_name(product_id);
        let window = ClosedWindow::of_closed(semantics, merger.tables(), closed, &rows, top, name_of);
        messages.push(serde_json::from_str(&Message::Window(window).to_json()).unwrap());
        rows.iter_mut().for_each(engine_model::Rows::clear);
    }
    messages
}

#[test]
fn a_closed_window_has_the_rows_of_every_table_under_the_columns_names() {
    let semantics = Semantics::default();
    let messages = windows(&semantics, 3);
    let grains: Vec<&str> = messages.iter().map(|message| message["grain"].as_str().unwrap()).collect();
    assert_eq!(grains, ["1m", "1m", "1h", "1d"]);
    let first = &messages[0];
    assert_eq!(first["type"], "window");
    assert_eq!(
        (first["start_ms"].as_i64(), first["end_ms"].as_i64()),
        (Some(1_767_225_600_000), Some(1_767_225_660_000))
    );
    let kpis: Vec<&str> = first["kpis"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut columns: Vec<&str> = engine_model::gold::KPIS.columns().skip(4).map(|column| column.name).collect();
    columns.sort_unstable();
    assert_eq!(kpis, columns);
    assert!(first["kpis"]["revenue"].as_str().unwrap().contains('.'), "money is text: {}", first["kpis"]);
    assert_eq!(first["funnel"].as_array().unwrap().len(), 4);
    assert_eq!(first["funnel"][3]["stage"], "order");
    let top = first["products"]["top"].as_array().unwrap();
    assert_eq!(top.len(), 3);
    assert!(first["products"]["count"].as_u64().unwrap() > 3);
    assert_eq!(top.iter().map(|row| row["revenue_rank"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    let quality = &first["quality"];
    let count = |name: &str| quality[name].as_u64().unwrap();
    assert_eq!(count("records"), count("accepted") + count("duplicates") + count("late") + count("rejected"));
}

#[test]
fn new_customers_add_up_to_the_days_distinct_customers() {
    let messages = windows(&Semantics::default(), 1);
    let new: u64 = messages.iter().filter_map(|message| message["customers_new"].as_u64()).sum();
    assert_eq!(messages[3]["kpis"]["unique_customers"].as_u64(), Some(new));
    assert_eq!((&messages[2]["customers_new"], &messages[2]["quality"]), (&Value::Null, &Value::Null));
}

#[test]
fn hello_says_what_the_figures_depend_on() {
    let hello = Hello::new(&Semantics::default(), "7".to_owned(), SourceKind::Files, "a.jsonl".to_owned(), false);
    let value: Value = serde_json::from_str(&Message::Hello(hello).to_json()).unwrap();
    let expected = json!({
        "type": "hello", "version": 1, "run": "7", "source": "files", "source_name": "a.jsonl", "is_live": false,
        "currency": "USD", "utc_offset": "+00:00", "utc_offset_minutes": 0, "window_ms": 60_000, "lateness_ms": 10_000,
        "grains": ["1m", "1h", "1d"], "grains_ms": [60_000, 3_600_000, 86_400_000],
    });
    assert_eq!(value, expected);
}

#[test]
fn a_status_tells_the_ledger_and_an_instant_only_where_there_is_one() {
    let mut ledger = Ledger { records: 7, accepted: 4, duplicates: 1, late: 1, delayed: 2, ..Ledger::default() };
    ledger.rejected[engine_model::Reason::MissingField.index()] = 1;
    let status = Status::of_ledger(&ledger);
    for watermark in [Watermark::NONE, Watermark::END] {
        assert_eq!(status.clone().at(watermark, None).watermark_ms, None);
    }
    let at = status.at(Watermark::at(engine_model::EventTime::from_micros(1_999)), None);
    let value: Value = serde_json::from_str(&Message::Status(at).to_json()).unwrap();
    assert_eq!(value["watermark_ms"], 1);
    assert_eq!(value["rejected_by_reason"], json!({ "missing_field": 1 }));
    assert_eq!((&value["rejected"], &value["delayed"], &value["lag_ms"]), (&json!(1), &json!(2), &Value::Null));
}

#[test]
fn open_figures_are_named_and_written_as_in_kpis() {
    let grain = Semantics::default().base();
    let mut sums = engine_window::Sums { orders: 2, events: 5, ..engine_window::Sums::default() };
    sums.revenue.add(engine_model::Cents::new(1_001));
    let open = Open { windows: vec![OpenFigures::new(grain, engine_model::WindowId(1), &sums)], rollups: vec![] };
    let value: Value = serde_json::from_str(&Message::Open(open).to_json()).unwrap();
    let window = &value["windows"][0];
    assert_eq!(
        (&window["revenue"], &window["aov"], &window["start_ms"]),
        (&json!("10.01"), &json!("5.01"), &json!(60_000))
    );
    for column in engine_model::gold::KPIS.columns().skip(4).filter(|column| !column.name.ends_with("_rate")) {
        assert!(window.get(column.name).is_some(), "no {}", column.name);
    }
}

#[test]
fn the_name_of_a_message_is_its_type_and_the_end_says_how() {
    let end = End { how: How::Failed, error: Some("no".to_owned()), saturated: false, status: Status::default() };
    let message = Message::End(end);
    let value: Value = serde_json::from_str(&message.to_json()).unwrap();
    assert_eq!(
        (&value["type"], &value["how"], &value["error"]),
        (&json!(message.name()), &json!("failed"), &json!("no"))
    );
}
