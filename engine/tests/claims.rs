//! Goal: claims of the contract (§1 to §3) that are easily broken, each in a test of its own that names it.
//!
//! Method: small files written by hand go through the state machines inside this process, with one shard and with
//! several; what must come out was worked out by hand. `mutations/run.py` breaks the code on purpose and expects the
//! test named for each break to fail: a claim is here because no test nearer to the code fails for it alone.

mod support;

use engine_model::{Batch, Event, EventKind, Rows, Semantics, Text, Watermark};
use engine_oracle::{Config, Partition};
use engine_window::{Arrival, Merger, Progress, Shard};
use support::in_process::{Got, run};
use support::lines::{
    assert_equal_tables, assert_oracle_agrees, click, column, config, files, instant, line, order, order_of, outcomes,
    payment, product, rows, usual, view,
};

const SHARDS: [usize; 4] = [1, 2, 5, 8];
const MICRO: f64 = 0.000_001;

/// Runs with several numbers of shards; `claim` is asserted for each. The oracle has to agree.
fn check(partitions: &[Partition], config: &Config, order: &[usize], claim: impl Fn(&Got)) {
    for (seed, shards) in (0..).zip(SHARDS) {
        let got = run(partitions, config, order, shards, seed);
        claim(&got);
        assert_oracle_agrees(&got, partitions, config, order);
    }
}

/// One file with the usual configuration.
fn check_file<L: AsRef<str>>(lines: &[L], claim: impl Fn(&Got)) {
    check(&files(&[lines]), &usual(), &[], claim);
}

// Late, duplicate, observed.

#[test]
fn a_record_is_in_time_while_the_watermark_trails_by_the_lateness() {
    for (newest, expected) in [(70.0 - MICRO, "accepted 0"), (70.0, "late"), (70.0 + MICRO, "late")] {
        let lines = [view("a", newest), view("b", 10.0)];
        check_file(&lines, |got| assert_eq!(outcomes(got, &usual(), 0)[1], expected, "newest {newest}"));
    }
}

#[test]
fn a_record_is_late_by_its_own_partitions_watermark_while_another_holds_the_global_one_back() {
    let ahead = [view("a1", 200.0), view("a2", 10.0)];
    let behind = [view("b1", 5.0), view("b2", 10.0), view("b3", 61.0)];
    let partitions = files(&[&ahead[..], &behind[..]]);
    // The file behind is read up to its first record, so the global watermark stands below zero.
    check(&partitions, &usual(), &[1, 0, 0, 1, 1], |got| {
        assert_eq!(outcomes(got, &usual(), 0), ["accepted 3", "late"]);
        assert_eq!(outcomes(got, &usual(), 1), ["accepted 0", "accepted 0", "accepted 1"]);
    });
}

#[test]
fn a_duplicate_is_judged_by_its_own_partitions_watermark_whatever_else_its_shard_has_seen() {
    // Enough records far ahead, minute after minute, that every shard sees many of them between the two copies.
    let ahead: Vec<String> = (0..200u32).map(|n| view(&format!("a{n}"), 60.0 + f64::from(n) * 20.0)).collect();
    let behind = [order("x", 10.0, "1.00"), order("x", 10.0, "1.00"), order("x", 65.0, "2.00")];
    let mut reading = vec![1];
    reading.extend([0; 200]);
    reading.extend([1, 1]);
    check(&files(&[&ahead, &behind[..]]), &usual(), &reading, |got| {
        assert_eq!(outcomes(got, &usual(), 1), ["accepted 0", "duplicate 0", "duplicate 0"]);
    });
}

#[test]
fn a_copy_is_judged_by_the_watermark_before_it_not_by_its_own_time() {
    let lines = [order("x", 10.0, "1.00"), order("x", 500.0, "2.00")];
    check_file(&lines, |got| assert_eq!(outcomes(got, &usual(), 0), ["accepted 0", "duplicate 0"]));
}

#[test]
fn a_duplicate_counts_in_no_figure() {
    let once = [
        click("e1", 1.0, "view", "s1", r#""product_id":"p1","customer_id":"c1""#),
        order_of("e2", 2.0, "3.00", &["p1 1 1.00 Shoes", "p2 2 1.00"], r#""session_id":"s1""#),
        payment("e3", 3.0, "3.00", "succeeded", ""),
        payment("e4", 4.0, "3.00", "failed", r#""failure_reason":"expired""#),
        product("e5", 5.0, "p2", "Hats"),
    ];
    // Each again as it was, and again as something else under the same identifier.
    let again = |n: u32| {
        let id = format!("e{}", n % 5 + 1);
        [
            click(&id, 10.0, "checkout", "s9", r#""product_id":"p9","customer_id":"c9""#),
            order_of(&id, 11.0, "9.00", &["p9 9 1.00 Nines"], r#""session_id":"s9""#),
            payment(&id, 12.0, "9.00", "succeeded", ""),
            product(&id, 13.0, "p2", "Nines"),
        ]
    };
    let more: Vec<String> = once.iter().cloned().chain(once.iter().cloned()).chain((0..5).flat_map(again)).collect();
    check_file(&more, |got| {
        assert_eq!((got.ledger.accepted, got.ledger.duplicates), (5, 25));
        let mut expected = run(&files(&[&once[..]]), &usual(), &[], 1, 0).tables;
        expected.insert("quality_1m".to_owned(), got.tables["quality_1m"].clone());
        assert_equal_tables(&expected, &got.tables);
    });
}

#[test]
fn quality_counts_a_record_in_the_window_being_observed_not_in_its_own() {
    let lines = [view("a", 59.0), view("b", 65.0), view("c", 58.0), view("d", 64.0)];
    check_file(&lines, |got| {
        // The third record belongs to the first window and is in time, but the second window is being observed.
        assert_eq!(column(&rows(got, "quality_1m"), 1), ["1", "3"], "records");
        assert_eq!(column(&rows(got, "quality_1m"), 2), ["1", "3"], "accepted");
        assert_eq!(column(&rows(got, "kpis_1m"), 1), ["2", "2"], "events");
    });
}

#[test]
fn a_record_as_old_as_the_newest_is_not_delayed() {
    for (time, delayed) in [(30.0 - MICRO, "1"), (30.0, "0"), (30.0 + MICRO, "0")] {
        let lines = [view("a", 30.0), view("b", time)];
        check_file(&lines, |got| assert_eq!(column(&rows(got, "quality_1m"), 6), [delayed], "at {time}"));
    }
}

#[test]
fn late_records_and_duplicates_count_as_delayed_too() {
    let lines = [view("a", 30.0), view("a", 29.0), view("b", 100.0), view("c", 29.0)];
    check_file(&lines, |got| assert_eq!((got.ledger.delayed, got.ledger.late, got.ledger.duplicates), (2, 1, 1)));
}

// Distinct counts.

#[test]
fn a_rollup_counts_a_session_once_in_figures_and_funnel() {
    let lines = [
        click("e1", 1.0, "view", "s1", r#""product_id":"p""#),
        click("e2", 61.0, "view", "s1", r#""product_id":"p""#),
        click("e3", 62.0, "add_to_cart", "s2", r#""product_id":"p""#),
        click("e4", 3_700.0, "view", "s2", r#""product_id":"p""#),
        click("e5", 3_800.0, "view", "s1", r#""product_id":"p""#),
    ];
    check_file(&lines, |got| {
        assert_eq!(column(&rows(got, "kpis_1m"), 7), ["1", "2", "1", "1"]);
        assert_eq!(column(&rows(got, "kpis_1h"), 7), ["2", "2"]);
        assert_eq!(column(&rows(got, "kpis_1d"), 7), ["2"]);
        let day = rows(got, "funnel_1d");
        assert_eq!(day, ["0 add_to_cart 2 1", "0 checkout 3 0", "0 order 4 0", "0 view 1 2"]);
    });
}

#[test]
fn sessions_and_customers_that_lie_in_every_shard_count_once() {
    let lines: Vec<String> = (0..60u32)
        .map(|n| {
            let members = format!(r#""product_id":"p","customer_id":"c{}""#, n % 2);
            click(&format!("e{n}"), f64::from(n), "view", &format!("s{}", n % 3), &members)
        })
        .collect();
    check_file(&lines, |got| {
        assert_eq!(rows(got, "kpis_1m"), ["0 60 0.00 0 null 0 2 3 0 0 0.00 null 0.0"]);
        assert_eq!(rows(got, "customer_activity"), ["0 c0", "0 c1"]);
    });
}

#[test]
fn a_customer_has_one_row_of_activity_a_day_in_the_first_window_of_that_day() {
    let day = 86_400.0;
    let by = |id: &str, seconds: f64| click(id, seconds, "view", "s", r#""product_id":"p","customer_id":"c""#);
    let lines = [by("e1", 61.0), by("e2", 62.0), by("e3", 121.0), by("e4", day + 300.0), by("e5", day + 600.0)];
    check_file(&lines, |got| assert_eq!(rows(got, "customer_activity"), ["1 c", "5 c"]));
}

#[test]
fn data_of_customers_and_products_is_no_activity() {
    let lines = [line("customer", "e1", 1.0, r#""customer_id":"c""#), product("e2", 2.0, "p", "Shoes")];
    check_file(&lines, |got| {
        assert_eq!(rows(got, "kpis_1m"), ["0 2 0.00 0 null 0 0 0 0 0 0.00 null null"]);
        assert!(rows(got, "customer_activity").is_empty());
    });
}

#[test]
fn a_session_is_in_the_stages_of_its_own_events_and_in_no_other() {
    let lines = [
        click("e1", 1.0, "view", "s1", r#""product_id":"p""#),
        click("e2", 1.0, "view", "s2", r#""product_id":"p""#),
        click("e3", 1.0, "view", "s3", r#""product_id":"p""#),
        click("e4", 1.0, "view", "s4", r#""product_id":"p""#),
        click("e5", 1.0, "add_to_cart", "s2", r#""product_id":"p""#),
        click("e6", 1.0, "add_to_cart", "s3", r#""product_id":"p""#),
        click("e7", 1.0, "add_to_cart", "s4", r#""product_id":"p""#),
        click("e8", 1.0, "checkout", "s3", ""),
        click("e9", 1.0, "checkout", "s4", ""),
        order_of("e10", 1.0, "1.00", &["p 1 1.00"], r#""session_id":"s4""#),
        click("e11", 1.0, "checkout", "s5", ""),
    ];
    check_file(&lines, |got| {
        assert_eq!(rows(got, "funnel_1m"), ["0 add_to_cart 2 3", "0 checkout 3 3", "0 order 4 1", "0 view 1 4"]);
        // Of the sessions with a view, not of all five.
        assert_eq!(rows(got, "kpis_1m"), ["0 11 1.00 1 1.00 1 1 5 0 0 0.00 null 0.25"]);
    });
}

#[test]
fn a_session_named_by_a_payment_is_no_session() {
    let lines = [payment("e1", 1.0, "5.00", "succeeded", r#""session_id":"s1""#), view("e2", 2.0)];
    check_file(&lines, |got| assert_eq!(rows(got, "kpis_1m"), ["0 2 0.00 0 null 0 0 1 1 0 5.00 1.0 0.0"]));
}

// Products, categories, ranks.

#[test]
fn ranks_are_those_of_the_merged_window_not_of_a_shard() {
    // `a` is sold often and cheaply, in every shard; `b` and `c` once and dearly, in one each.
    let mut lines: Vec<String> =
        (0..40).map(|n| order_of(&format!("e{n}"), 1.0, "1.00", &["a 1 1.00 A"], "")).collect();
    lines.push(order_of("b", 1.0, "20.00", &["b 1 20.00 B"], ""));
    lines.push(order_of("c", 1.0, "30.00", &["c 1 30.00 C"], ""));
    check_file(&lines, |got| {
        assert_eq!(rows(got, "products_1m"), ["0 a 0 0 40 40 40.00 1", "0 b 0 0 1 1 20.00 3", "0 c 0 0 1 1 30.00 2"]);
        assert_eq!(rows(got, "categories_1m"), ["0 A 40 40 40.00 1", "0 B 1 1 20.00 3", "0 C 1 1 30.00 2"]);
    });
}

#[test]
fn ranks_of_a_rollup_are_those_of_its_own_sums() {
    let lines = [
        order_of("e1", 1.0, "5.00", &["a 1 5.00 A", "b 1 4.00 B"], ""),
        order_of("e2", 61.0, "4.00", &["b 1 4.00 B"], ""),
        order_of("e3", 121.0, "1.00", &["a 1 1.00 A"], ""),
    ];
    check_file(&lines, |got| {
        assert_eq!(column(&rows(got, "products_1m"), 7), ["1", "2", "1", "1"]);
        assert_eq!(rows(got, "products_1h"), ["0 a 0 0 2 2 6.00 2", "0 b 0 0 2 2 8.00 1"]);
        assert_eq!(rows(got, "categories_1h"), ["0 A 2 2 6.00 2", "0 B 2 2 8.00 1"]);
    });
}

#[test]
fn an_item_takes_the_category_its_product_had_before_the_end_of_its_window() {
    for (time, expected) in [(60.0 - MICRO, "Hats"), (60.0, "Shoes"), (60.0 + MICRO, "Shoes")] {
        let lines = [
            product("e1", 1.0, "p", "Shoes"),
            order_of("e2", 2.0, "1.00", &["p 1 1.00"], ""),
            product("e3", time, "p", "Hats"),
            product("e4", 7_200.0, "p", "Coats"),
        ];
        check_file(&lines, |got| {
            for table in ["categories_1m", "categories_1h", "categories_1d"] {
                assert_eq!(rows(got, table), [format!("0 {expected} 1 1 1.00 1")], "{table}, changed at {time}");
            }
        });
    }
}

#[test]
fn an_order_counts_once_for_a_category_and_a_product_however_many_of_its_items_name_them() {
    let items = ["p 1 1.00 Shoes", "p 2 1.00 Shoes", "q 1 1.00 Shoes", "q 1 1.00 Hats"];
    let lines = [order_of("e1", 1.0, "5.00", &items, ""), order_of("e2", 2.0, "2.00", &["r 1 1.00", "r 1 1.00"], "")];
    check_file(&lines, |got| {
        assert_eq!(rows(got, "categories_1m"), ["0 Hats 1 1 1.00 3", "0 Shoes 1 4 4.00 1", "0 unknown 1 2 2.00 2"]);
        assert_eq!(rows(got, "products_1m"), ["0 p 0 0 1 3 3.00 1", "0 q 0 0 1 2 2.00 2", "0 r 0 0 1 2 2.00 3"]);
    });
}

#[test]
fn a_product_seen_only_at_checkout_has_a_row() {
    let lines = [click("e1", 1.0, "checkout", "s", r#""product_id":"p""#)];
    check_file(&lines, |got| assert_eq!(rows(got, "products_1m"), ["0 p 0 0 0 0 0.00 1"]));
}

// Money and rates.

#[test]
fn cents_are_exact_from_the_line_to_the_table() {
    // As floats, 0.29 · 100 is 28.999…, 0.1 + 0.2 is not 0.3, and 9 999 999 999.99 · 10 000 has no exact cents.
    let lines = [
        order_of("e1", 1.0, "0.29", &["a 3 0.29", "b 10000 9999999999.99"], ""),
        order_of("e2", 2.0, "1.15", &["a 1 4.35", "b 1 0.01"], ""),
        order_of("e3", 3.0, r#""9999999999.99""#, &["a 1 0.10", "b 9999 9999999999.99"], ""),
        payment("e4", 4.0, "1.10", "succeeded", ""),
        payment("e5", 5.0, "2.20", "succeeded", ""),
        payment("e6", 5.0, "9999999999.99", "succeeded", ""),
    ];
    check_file(&lines, |got| {
        assert_eq!(column(&rows(got, "kpis_1m"), 2), ["10000000001.43"]);
        assert_eq!(column(&rows(got, "kpis_1d"), 10), ["10000000003.29"]);
        // 0.87 + 4.35 + 0.10, and 19 999 · 9 999 999 999.99 + 0.01.
        assert_eq!(column(&rows(got, "products_1m"), 6), ["5.32", "199989999999800.02"]);
        assert_eq!(rows(got, "payments_1m"), ["0 card succeeded null 3 10000000003.29"]);
    });
}

#[test]
fn an_average_order_is_rounded_half_away_from_zero() {
    for (totals, expected) in [(["0.01", "0.02"], "0.02"), (["0.02", "0.02"], "0.02"), (["0.02", "0.03"], "0.03")] {
        let lines = [order("e1", 1.0, totals[0]), order("e2", 2.0, totals[1])];
        check_file(&lines, |got| assert_eq!(column(&rows(got, "kpis_1m"), 4), [expected], "{totals:?}"));
    }
}

#[test]
fn a_failed_payment_pays_nothing() {
    let lines = [
        payment("e1", 1.0, "5.00", "succeeded", ""),
        payment("e2", 1.0, "7.00", "failed", r#""failure_reason":"expired""#),
        payment("e3", 1.0, "9.00", "failed", ""),
        payment("e4", 1.0, "1.00", "succeeded", ""),
    ];
    check_file(&lines, |got| {
        assert_eq!(rows(got, "kpis_1m"), ["0 4 0.00 0 null 0 0 0 2 2 6.00 0.5 null"]);
    });
}

// Windows, days, rollups.

#[test]
fn days_minutes_and_date_keys_are_those_of_the_offset() {
    // 23:59:59 and 00:00 of 2026-01-02 five and a half hours east, which is 18:30 of the first in UTC.
    let config = config(60, &[86_400], 10, "+05:30");
    let midnight = 18.5 * 3_600.0;
    let lines = [view("e1", midnight - 1.0), view("e2", midnight)];
    check(&files(&[&lines]), &config, &[], |got| {
        let keys = |table: &str| -> Vec<String> {
            got.tables[table].iter().map(|row| support::lines::show(&row[2..5])).collect()
        };
        assert_eq!(keys("kpis_1m"), ["20260101 1439 1", "20260102 0 1"]);
        assert_eq!(keys("kpis_1d"), ["20260101 0 1", "20260102 0 1"]);
    });
}

/// One partition, one shard and the merge, fed event by event: what is closed by when.
struct Steps {
    progress: Progress,
    shard: Shard,
    merger: Merger,
    rows: Vec<Rows>,
}

impl Steps {
    fn new(semantics: &Semantics) -> Steps {
        let merger = Merger::new(semantics);
        Steps {
            progress: Progress::new(engine_model::PartitionId(0), semantics),
            shard: Shard::new(semantics),
            rows: merger.empty_rows(),
            merger,
        }
    }

    /// Reads a customer's data at `seconds` and closes what that lets close.
    fn read(&mut self, id: &str, seconds: f64) {
        let id = Text::in_place(id.as_bytes()).expect("a short name");
        let mut event = Event::new(EventKind::Customer, instant(seconds), id);
        event.set_customer(id);
        event.set_extras(0, 2);
        let mut batch = Batch { events: vec![event], texts: vec![Text::ABSENT; 2], ..Batch::default() };
        let mut quality = Vec::new();
        self.progress.judge(&mut batch, Arrival::REPLAY, &mut quality);
        for partial in quality {
            self.merger.add_quality(partial);
        }
        self.shard.ingest(&batch, &batch.events[0]);
        self.close(self.progress.watermark());
    }

    fn close(&mut self, watermark: Watermark) {
        let closed = self.shard.close(watermark);
        for partial in closed.windows {
            self.merger.add_window(partial);
        }
        for partial in closed.quality {
            self.merger.add_quality(partial);
        }
        while self.merger.close_next(watermark, &mut self.rows).is_some() {}
    }

    fn finish(&mut self) {
        self.merger.add_quality(self.progress.clone().finish().expect("there were valid records"));
        self.close(Watermark::END);
    }

    /// How many minutes, hours and days have their rows.
    fn emitted(&self) -> [usize; 3] {
        ["kpis_1m", "kpis_1h", "kpis_1d"].map(|name| {
            let table = self.merger.tables().iter().position(|table| table.name == name).expect("a table of the run");
            self.rows[table].len()
        })
    }
}

#[test]
fn a_rollup_closes_with_its_last_base_window_neither_before_nor_after_and_once() {
    let mut steps = Steps::new(&usual().semantics);
    let hour = 3_600.0;
    for (number, (seconds, expected)) in [
        (10.0, [0, 0, 0]),
        (hour - 70.0, [1, 0, 0]), // the last base window but one
        (hour - 1.0, [2, 0, 0]),
        (hour + 9.0, [2, 0, 0]),
        (hour + 10.0 - MICRO, [2, 0, 0]), // the last base window is open
        (hour + 10.0, [3, 1, 0]),
        (hour + 11.0, [3, 1, 0]),
        (hour + 69.0, [3, 1, 0]),
        (hour + 80.0, [4, 1, 0]),
        // The last base windows of this hour hold nothing: it closes by its end all the same.
        (2.0 * hour + 10.0 - MICRO, [5, 1, 0]),
        (2.0 * hour + 10.0, [5, 2, 0]),
        (24.0 * hour + 10.0 - MICRO, [6, 3, 0]),
        (24.0 * hour + 10.0, [6, 3, 1]),
    ]
    .into_iter()
    .enumerate()
    {
        steps.read(&format!("e{number}"), seconds);
        assert_eq!(steps.emitted(), expected, "minutes, hours, days at {seconds}");
    }
    steps.finish();
    assert_eq!(steps.emitted(), [7, 4, 2]);
}
