//! Goal: copies of one `event_id`, equal or different, in one file or in several, near and far in time, become what
//! CONTRACT §2 says, with one shard and with eight.
//!
//! Method: small files written by hand go through the state machines inside this process, in batches of seeded size.
//! What must come out was worked out by hand from the contract and stands in each test; the oracle is asked as well, so
//! that all tables are looked at. Where the contract allows several results (§2, exception (a)), many orders of reading
//! are tried: each must give an allowed one, and each allowed one must occur.
//!
//! Windows are minutes, lateness is 10 s: the first window ends at 60 s and is passed by a watermark of 60 s, which is
//! there once a record of 70 s has been read.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use engine_oracle::{Partition, Value, generate};
use support::in_process::{Got, run};
use support::lines::{assert_oracle_agrees, click, files, line, order, outcomes, rows, usual, view};

const SHARDS: [usize; 2] = [1, 8];
const MICRO: f64 = 0.000_001;
/// How many seeded orders of reading are tried for one and for eight shards.
const ORDERS: u64 = 200;

/// Orders and revenue of each window with orders, as in `0: 1 2.50`: the first minute, one order, 2.50.
fn orders(got: &Got) -> String {
    let of = |table: &str| -> Vec<String> {
        let row = |row: &Vec<Value>| (row[3].clone(), row[6].clone(), row[5].clone());
        let with_orders = got.tables[table].iter().map(row).filter(|(_, orders, _)| *orders != Value::Int(0));
        with_orders.map(|(minute, orders, revenue)| format!("{minute}: {orders} {revenue}")).collect()
    };
    of("kpis_1m").join(", ")
}

/// One file: what becomes of each record, and the orders of each window.
fn check<L: AsRef<str>>(lines: &[L], expected: &[&str], expected_orders: &str) {
    let partitions = files(&[lines]);
    let config = usual();
    for shards in SHARDS {
        // Seeds cut the file into other batches and close windows at other moments.
        for seed in 0..20 {
            let got = run(&partitions, &config, &[], shards, seed);
            assert_eq!(outcomes(&got, &config, 0), expected, "{shards} shards, seed {seed}");
            assert_eq!(orders(&got), expected_orders, "{shards} shards, seed {seed}");
            assert_oracle_agrees(&got, &partitions, &config, &[]);
        }
    }
}

/// Reads several files in many orders. What `view` says of each result must be one of `allowed`, and each must occur.
fn check_orders(partitions: &[Partition], allowed: &[&str], view: impl Fn(&Got) -> String) {
    let config = usual();
    for shards in SHARDS {
        let mut seen = BTreeSet::new();
        for seed in 0..ORDERS {
            let order = generate::order(seed, partitions);
            let got = run(partitions, &config, &order, shards, seed);
            let result = view(&got);
            assert!(allowed.contains(&result.as_str()), "{shards} shards, seed {seed}, order {order:?}: {result}");
            assert_oracle_agrees(&got, partitions, &config, &order);
            seen.insert(result);
        }
        assert!(seen.iter().eq(allowed.iter().collect::<BTreeSet<_>>()), "{shards} shards: only {seen:?} occurred");
    }
}

/// Reads several files in many orders: every table but `quality` is the same each time. Gives one of the results.
fn check_one_result(partitions: &[Partition]) -> Got {
    let config = usual();
    let without_quality = |got: &Got| -> BTreeMap<String, Vec<Vec<Value>>> {
        got.tables
            .iter()
            .filter(|(name, _)| !name.starts_with("quality"))
            .map(|(n, t)| (n.clone(), t.clone()))
            .collect()
    };
    let first = run(partitions, &config, &[], 1, 0);
    for shards in SHARDS {
        for seed in 0..ORDERS {
            let order = generate::order(seed, partitions);
            let got = run(partitions, &config, &order, shards, seed);
            assert!(without_quality(&got) == without_quality(&first), "{shards} shards, seed {seed}, order {order:?}");
            assert_eq!(got.ledger.accepted, first.ledger.accepted, "{shards} shards, seed {seed}");
            assert_oracle_agrees(&got, partitions, &config, &order);
        }
    }
    first
}

// One file.

#[test]
fn an_equal_copy_nearby_is_a_duplicate() {
    let copy = order("x", 10.0, "2.50");
    let lines = [&copy, &copy, &view("a", 20.0), &copy];
    check(&lines, &["accepted 0", "duplicate 0", "accepted 0", "duplicate 0"], "0: 1 2.50");
}

#[test]
fn an_equal_copy_is_a_duplicate_until_the_watermark_reaches_the_end_of_its_window_and_late_from_then_on() {
    let copy = order("x", 10.0, "2.50");
    for (newest, expected) in [(70.0 - MICRO, "duplicate 0"), (70.0, "late"), (70.0 + MICRO, "late"), (9_000.0, "late")]
    {
        let window = if newest < 9_000.0 { 1 } else { 150 };
        let lines = [&copy, &view("a", newest), &copy];
        check(&lines, &["accepted 0", &format!("accepted {window}"), expected], "0: 1 2.50");
    }
}

#[test]
fn a_differing_copy_is_a_duplicate_until_the_watermark_reaches_the_end_of_the_firsts_window() {
    // The copy lies in the second window, which is open in each case; the first one's window decides.
    for (newest, expected, orders) in [
        (70.0 - MICRO, "duplicate 0", "0: 1 2.50"),
        (70.0, "accepted 1", "0: 1 2.50, 1: 1 4.00"),
        (70.0 + MICRO, "accepted 1", "0: 1 2.50, 1: 1 4.00"),
    ] {
        let lines = [order("x", 10.0, "2.50"), view("a", newest), order("x", 65.0, "4.00")];
        check(&lines, &["accepted 0", "accepted 1", expected], orders);
    }
}

#[test]
fn a_copy_with_another_time_another_content_or_another_type_is_a_duplicate_nearby() {
    let lines = [
        order("x", 10.0, "2.50"),
        order("x", 11.0, "2.50"),
        order("x", 10.0, "9.00"),
        view("x", 10.0),
        line("customer", "x", 12.0, r#""customer_id":"c""#),
        // In the next window, and in one far ahead: the watermark before it counts, not its own time.
        order("x", 65.0, "4.00"),
        order("x", 600.0, "4.00"),
    ];
    let mut expected = vec!["accepted 0"];
    expected.resize(lines.len(), "duplicate 0");
    check(&lines, &expected, "0: 1 2.50");
}

#[test]
fn a_copy_far_ahead_is_judged_by_the_watermark_before_it_and_moves_it() {
    let lines = [
        order("x", 10.0, "1.00"),
        // Its own time would pass the first window; it is still a duplicate.
        order("x", 130.0, "2.00"),
        // But it has moved `max_p`: the watermark stands at 120 s.
        order("x", 125.0, "4.00"),
        order("x", 126.0, "8.00"),
        order("x", 119.0, "16.00"),
    ];
    let expected = ["accepted 0", "duplicate 0", "accepted 2", "duplicate 2", "late"];
    check(&lines, &expected, "0: 1 1.00, 2: 1 4.00");
}

#[test]
fn an_identifier_may_be_accepted_again_as_often_as_its_window_has_passed() {
    let mut lines = Vec::new();
    let mut expected = Vec::new();
    let mut expected_orders = Vec::new();
    for minute in 0..10u32 {
        let start = f64::from(minute) * 60.0;
        // The second record of each window passes the window before.
        lines.extend([view(&format!("a{minute}"), start + 10.0), order("x", start + 20.0, "1.00")]);
        lines.push(order("x", start + 5.0, "1.00"));
        expected.extend([format!("accepted {minute}"), format!("accepted {minute}"), format!("duplicate {minute}")]);
        expected_orders.push(format!("{minute}: 1 1.00"));
    }
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(&lines, &expected, &expected_orders.join(", "));
}

#[test]
fn a_copy_accepted_into_an_older_window_is_forgotten_by_that_window_alone() {
    let lines = [
        view("a", 65.0),
        // Older than the newest, and still in time.
        order("x", 59.0, "1.00"),
        order("x", 66.0, "2.00"),
        view("b", 70.0),
        order("x", 66.0, "2.00"),
    ];
    let expected = ["accepted 1", "accepted 0", "duplicate 0", "accepted 1", "accepted 1"];
    check(&lines, &expected, "0: 1 1.00, 1: 1 2.00");
}

#[test]
fn a_rejected_copy_does_not_make_a_later_valid_one_a_duplicate() {
    let lines = [
        order("x", 10.0, "-1"),
        line("order", "x", 10.0, r#""currency":"EUR""#),
        r#"{"event_type":"click","event_id":"x""#.to_owned(),
        order("x", 10.0, "2.50"),
        order("x", 10.0, "-1"),
        order("x", 10.0, "2.50"),
    ];
    let expected = ["rejected", "rejected", "rejected", "accepted 0", "rejected", "duplicate 0"];
    check(&lines, &expected, "0: 1 2.50");
}

#[test]
fn a_late_copy_does_not_make_a_later_one_a_duplicate() {
    let lines = [view("a", 200.0), order("x", 10.0, "1.00"), order("x", 205.0, "2.00"), order("x", 205.0, "2.00")];
    check(&lines, &["accepted 3", "late", "accepted 3", "duplicate 3"], "3: 1 2.00");
}

#[test]
fn a_duplicate_copy_does_not_prolong_what_is_remembered() {
    let lines = [
        order("x", 10.0, "1.00"),
        order("x", 65.0, "2.00"), // a duplicate of the first window's; it is accepted into no window
        view("a", 70.0),
        order("x", 66.0, "4.00"),
    ];
    check(&lines, &["accepted 0", "duplicate 0", "accepted 1", "accepted 1"], "0: 1 1.00, 1: 1 4.00");
}

// Identifiers.

#[test]
fn identifiers_of_every_length_are_compared_whole() {
    for length in [1, 15, 16, 17, 32, 35, 36, 37, 63, 64] {
        let base = "0123456789abcdef".repeat(4);
        let id = |last: char| format!("{}{last}", &base[..length - 1]);
        let lines = [
            order(&id('x'), 10.0, "1.00"),
            order(&id('y'), 10.0, "2.00"),
            order(&id('x'), 10.0, "4.00"),
            order(&id('y'), 10.0, "8.00"),
        ];
        check(&lines, &["accepted 0", "accepted 0", "duplicate 0", "duplicate 0"], "0: 2 3.00");
    }
    let too_long = "a".repeat(65);
    let lines = [order(&too_long, 10.0, "1.00"), order(&too_long[1..], 10.0, "2.00"), order("", 10.0, "4.00")];
    check(&lines, &["rejected", "accepted 0", "rejected"], "0: 1 2.00");
}

#[test]
fn a_uuid_in_upper_case_or_without_hyphens_is_another_identifier() {
    let lower = "0f8fad5b-d9cb-469f-a165-70867728950e";
    let upper = lower.to_uppercase();
    let mixed = lower.replace("469f", "469F");
    let plain = lower.replace('-', "");
    let ids = [lower, &upper, &mixed, &plain];
    let lines: Vec<String> = ids.iter().chain(&ids).map(|id| order(id, 10.0, "1.00")).collect();
    check(&lines, &[["accepted 0"; 4], ["duplicate 0"; 4]].concat(), "0: 4 4.00");
}

#[test]
fn identifiers_equal_in_their_first_sixteen_bytes_are_different() {
    let first = "0f8fad5b-d9cb-46"; // also the first 16 bytes of a UUID
    let ids = [
        first.to_owned(),
        format!("{first}9"),
        format!("{first}8"),
        format!("{first}9f-a165-70867728950e"),
        format!("{first}9f-a165-70867728950f"),
        format!("{first}9F-a165-70867728950e"),
        format!("{first}{}", "z".repeat(48)),
        format!("{first}{}y", "z".repeat(47)),
    ];
    let lines: Vec<String> = ids.iter().chain(&ids).map(|id| order(id, 10.0, "1.00")).collect();
    check(&lines, &[["accepted 0"; 8], ["duplicate 0"; 8]].concat(), "0: 8 8.00");
}

#[test]
fn identifiers_are_compared_after_unescaping_and_byte_by_byte() {
    let lines = [
        order("ab", 10.0, "1.00"),
        order(r"\u0061b", 10.0, "2.00"),  // the same
        order(r"ab\u0000", 10.0, "4.00"), // one byte longer
        order("ab ", 10.0, "8.00"),
        order("AB", 10.0, "16.00"),
        order("\u{e9}", 10.0, "32.00"),         // é
        order(r"e\u0301", 10.0, "64.00"),       // e and an accent: other bytes
        order(r"\u00e9", 10.0, "128.00"),       // é again
        order(r"\ud83d\ude00", 10.0, "256.00"), // a pair of surrogates
        order("\u{1f600}", 10.0, "512.00"),     // the same
    ];
    let (accepted, duplicate) = ("accepted 0", "duplicate 0");
    let expected =
        [accepted, duplicate, accepted, accepted, accepted, accepted, accepted, duplicate, accepted, duplicate];
    check(&lines, &expected, "0: 7 381.00");
}

// Several files.

#[test]
fn of_equal_copies_in_two_files_exactly_one_is_accepted_in_any_order_of_reading() {
    let copy = order("x", 10.0, "2.50");
    let layouts: [[Vec<String>; 2]; 3] = [
        [vec![copy.clone()], vec![copy.clone()]],
        [vec![copy.clone(), view("a", 30.0)], vec![view("b", 5.0), copy.clone(), copy.clone()]],
        // The first file is hours ahead before the second has begun; the copy there holds its window open.
        [
            vec![copy.clone(), view("a", 200.0), view("b", 4_000.0), view("c", 9_000.0)],
            vec![view("d", 1.0), copy.clone()],
        ],
    ];
    for [first, second] in &layouts {
        let partitions = files(&[first, second]);
        let got = check_one_result(&partitions);
        assert_eq!(orders(&got), "0: 1 2.50");
        // Which one it is depends on the order, and either occurs.
        check_orders(&partitions, &["first", "second"], |got| {
            let is_accepted =
                |partition: usize, record: usize| outcomes(got, &usual(), partition)[record] == "accepted 0";
            let at = |lines: &[String]| lines.iter().position(|line| *line == copy).expect("each file has a copy");
            match (is_accepted(0, at(first)), is_accepted(1, at(second))) {
                (true, false) => "first".to_owned(),
                (false, true) => "second".to_owned(),
                both => format!("{both:?}"),
            }
        });
    }
}

#[test]
fn an_equal_copy_is_late_where_its_partition_is_far_ahead_and_accepted_where_it_is_not() {
    let copy = order("x", 10.0, "2.50");
    let ahead = [view("a", 200.0), copy.clone(), view("b", 201.0)];
    let behind = [view("c", 9.0), copy.clone(), view("d", 20.0)];
    let partitions = files(&[&ahead, &behind]);
    assert_eq!(orders(&check_one_result(&partitions)), "0: 1 2.50");
    check_orders(&partitions, &["late, accepted 0"], |got| {
        format!("{}, {}", outcomes(got, &usual(), 0)[1], outcomes(got, &usual(), 1)[1])
    });
}

#[test]
fn a_partition_far_ahead_does_not_make_others_forget() {
    // Many identifiers far ahead, in every shard; those of the slow partition stay known, window by window.
    let ahead: Vec<String> = (0..100u32).map(|n| view(&format!("a{n}"), f64::from(n) * 30.0)).collect();
    let behind: Vec<String> = (0..20u32).map(|n| order(&format!("x{}", n % 10), 10.0 + f64::from(n), "1.00")).collect();
    let partitions = files(&[&ahead, &behind]);
    let got = check_one_result(&partitions);
    assert_eq!(orders(&got), "0: 10 10.00");
    assert_eq!(outcomes(&got, &usual(), 1), [["accepted 0"; 10], ["duplicate 0"; 10]].concat());
}

#[test]
fn of_differing_copies_in_two_files_any_one_counts_and_only_one_while_no_watermark_has_passed_the_firsts_window() {
    let first = [order("x", 10.0, "1.00"), view("a", 30.0)];
    for (second, alone) in [(order("x", 20.0, "2.00"), "0: 1 2.00"), (order("x", 62.0, "2.00"), "1: 1 2.00")] {
        let second = [view("b", 5.0), second];
        check_orders(&files(&[&first, &second]), &["0: 1 1.00", alone], orders);
    }
}

#[test]
fn a_second_differing_copy_counts_only_from_a_partition_whose_watermark_has_passed_the_window_of_the_first() {
    let first = [order("x", 10.0, "1.00"), view("a", 11.0)];
    let both_or_the_second = ["0: 1 1.00, 1: 1 2.00", "1: 1 2.00"];
    for (newest, allowed) in
        [(70.0 - MICRO, ["0: 1 1.00", "1: 1 2.00"]), (70.0, both_or_the_second), (70.0 + MICRO, both_or_the_second)]
    {
        let second = [view("b", newest), order("x", 65.0, "2.00")];
        check_orders(&files(&[&first, &second]), &allowed, orders);
    }
}

#[test]
fn of_differing_copies_in_three_files_every_allowed_set_occurs_and_no_other() {
    // The third file's partition has passed the first window when it brings its copy, so that one counts always: first
    // of all, and then it is the only one, or after one of the two others.
    let partitions = files(&[
        &[order("x", 10.0, "1.00"), view("a", 30.0)],
        &[order("x", 20.0, "2.00"), view("b", 30.0)],
        &[view("c", 75.0), order("x", 80.0, "4.00")],
    ]);
    check_orders(&partitions, &["0: 1 1.00, 1: 1 4.00", "0: 1 2.00, 1: 1 4.00", "1: 1 4.00"], orders);
}

#[test]
fn a_partition_that_counts_two_copies_leaves_room_for_one_of_another_in_place_of_its_first() {
    let first = [order("x", 10.0, "1.00"), view("a", 75.0), order("x", 80.0, "4.00")];
    // Alone, both copies count: the first window has passed before the second comes. A copy of another file in that
    // window may take the first one's place; read later it is a duplicate of whichever is still open.
    let second = [view("b", 5.0), order("x", 20.0, "2.00")];
    check_orders(&files(&[&first[..], &second[..]]), &["0: 1 1.00, 1: 1 4.00", "0: 1 2.00, 1: 1 4.00"], orders);
    // One that lies in a window further on, read first, makes duplicates of both: the first file passes that window
    // never.
    let second = [view("b", 5.0), order("x", 130.0, "2.00")];
    check_orders(&files(&[&first[..], &second[..]]), &["0: 1 1.00, 1: 1 4.00", "2: 1 2.00"], orders);
}

#[test]
fn copies_differing_in_two_files_leave_one_story_in_all_tables() {
    // The copies are a click and an order. Whichever counts, every table tells of that one only.
    let first = [click("x", 10.0, "view", "s1", r#""product_id":"p1","customer_id":"c1""#)];
    let second = [order("x", 10.0, "2.00")];
    let partitions = files(&[&first[..], &second[..]]);
    let story = |got: &Got| {
        let kpis = rows(got, "kpis_1d").join("; ");
        format!("{kpis} | {} | {}", rows(got, "products_1m").join("; "), rows(got, "customer_activity").join("; "))
    };
    check_orders(
        &partitions,
        &[
            "0 1 0.00 0 null 0 1 1 0 0 0.00 null 0.0 | 0 p1 1 0 0 0 0.00 1 | 0 c1",
            "0 1 2.00 1 2.00 1 1 1 0 0 0.00 null null | 0 p 0 0 1 1 2.00 1 | 0 c",
        ],
        story,
    );
}
