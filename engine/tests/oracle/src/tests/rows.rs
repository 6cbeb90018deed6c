//! §3: one small case for each table, and for sums, rollups and offsets.

use engine_model::gold::{DIM_CUSTOMER, tables};
use engine_model::{Cell, EventTime, Rows};

use super::{START, click, config, file, line, order, own, payment, product, run_one, show, usual, view, whole};
use crate::{Value, canonical, compare, run};

#[test]
fn every_table_of_the_run_is_there_also_without_rows() {
    let answer = run_one(&[], &usual());
    let mut names: Vec<String> = tables(&usual().semantics).into_iter().map(|table| table.name).collect();
    names.sort();
    assert_eq!(answer.tables.keys().cloned().collect::<Vec<_>>(), names);
}

#[test]
fn kpis_count_and_sum_what_the_contract_says() {
    let lines = [
        click("1", 0.0, "view", "s1", r#""product_id":"p","customer_id":"c1""#),
        click("2", 1.0, "view", "s2", r#""product_id":"p""#),
        click("3", 2.0, "view", "s2", r#""product_id":"p","customer_id":"c2""#),
        click("4", 3.0, "checkout", "s3", ""),
        order("5", 4.0, "c1", "10.00", &["p 2 5"], r#""session_id":"s1""#),
        order("6", 5.0, "c3", "0.01", &["p 1 0", "q 3 0"], ""),
        order("7", 6.0, "c3", "0.02", &["p 1 0"], r#""session_id":"s9""#),
        payment("8", 7.0, "card", "5.5", "succeeded", r#""customer_id":"c4""#),
        payment("9", 8.0, "card", "2", "succeeded", ""),
        payment("10", 9.0, "card", "100", "failed", ""),
        line("customer", "11", 10.0, r#""customer_id":"c99""#),
        product("12", 11.0, "p", "k"),
    ];
    let answer = run_one(&lines, &usual());
    // aov is 1003/3 = 334.33 cents; sessions are s1, s2, s3, s9; sessions with an order s1 and s9, with a view s1 and s2.
    let expected = format!("12 10.03 3 3.34 7 4 4 2 1 7.50 {:?} 1.0", 2.0 / 3.0);
    assert_eq!(whole(&answer, "kpis_1m"), [format!("0 60 20260101 0 {expected}")]);
    assert_eq!(whole(&answer, "kpis_1d"), [format!("0 86400 20260101 0 {expected}")]);
    assert_eq!(answer.windows, 1);
}

#[test]
fn rates_without_a_divisor_are_null_and_conversion_can_pass_one() {
    let answer = run_one(&[line("customer", "1", 0.0, r#""customer_id":"c""#)], &usual());
    assert_eq!(own(&answer, "kpis_1m"), ["1 0.00 0 null 0 0 0 0 0 0.00 null null"]);
    let order =
        |id: &str, session: &str| order(id, 1.0, "c", "0.05", &["p 1 1"], &format!(r#""session_id":"{session}""#));
    let answer = run_one(&[view("1", 0.0), order("2", "s2"), order("3", "s3"), order("4", "s3")], &usual());
    assert_eq!(own(&answer, "kpis_1m"), ["4 0.15 3 0.05 3 1 3 0 0 0.00 null 2.0"]);
}

#[test]
fn the_average_order_value_is_rounded_half_away_from_zero() {
    let aov = |totals: &[&str]| {
        let orders: Vec<String> = totals
            .iter()
            .enumerate()
            .map(|(id, total)| order(&format!("{id}"), 0.0, "c", total, &["p 1 1"], ""))
            .collect();
        run_one(&orders, &usual()).tables["kpis_1m"][0][7].clone()
    };
    assert_eq!(aov(&["0.01", "0.02"]), Value::Money(2));
    assert_eq!(aov(&["0.01", "0.02", "0.01"]), Value::Money(1));
    assert_eq!(aov(&["0.02", "0.02", "0.01"]), Value::Money(2));
    assert_eq!(aov(&["0.01", "0", "0", "0"]), Value::Money(0));
}

#[test]
fn products_are_those_of_clicks_and_items_and_an_order_counts_once() {
    let lines = [
        view("1", 0.0),
        view("2", 0.0),
        click("3", 0.0, "add_to_cart", "s", r#""product_id":"p2""#),
        click("4", 0.0, "checkout", "s", r#""product_id":"p3""#),
        order("5", 0.0, "c", "1", &["p1 1 3", "p2 3 1", "p1 1 0"], ""),
        order("6", 0.0, "c", "1", &["p4 1 6"], ""),
        product("7", 0.0, "p5", "k"),
    ];
    // p1 and p2 both sold for 3.00, p2 more units.
    let expected = ["p1 2 0 1 2 3.00 3", "p2 0 1 1 3 3.00 2", "p3 0 0 0 0 0.00 4", "p4 0 0 1 1 6.00 1"];
    assert_eq!(own(&run_one(&lines, &usual()), "products_1m"), expected);
}

#[test]
fn equal_revenue_and_units_rank_by_the_bytes_of_the_key() {
    let lines = [order("1", 0.0, "c", "1", &["é 1 1", "z 1 1", "B 1 1", "a 1 1"], "")];
    let expected = ["B 0 0 1 1 1.00 1", "a 0 0 1 1 1.00 2", "z 0 0 1 1 1.00 3", "é 0 0 1 1 1.00 4"];
    assert_eq!(own(&run_one(&lines, &usual()), "products_1m"), expected);
}

#[test]
fn an_item_takes_the_newest_category_before_the_end_of_its_base_window() {
    let lines = [
        product("a", 0.0, "p1", "Old"),
        product("b", 5.0, "p2", "Greatest"),
        product("a2", 5.0, "p2", "Least"),
        order("o1", 10.0, "c", "1", &["p1 1 1", "p2 1 1", "p3 1 1", "p1 1 1 Own"], ""),
        product("c", 59.9, "p1", "New"),
        product("d", 60.0, "p1", "Next"),
        product("e", 61.0, "p3", "Third"),
        order("o2", 65.0, "c", "1", &["p1 5 1", "p3 1 1"], ""),
    ];
    let answer = run_one(&lines, &usual());
    let expected = [
        "0 60 20260101 0 Greatest 1 1 1.00 1",
        "0 60 20260101 0 New 1 1 1.00 2",
        "0 60 20260101 0 Own 1 1 1.00 3",
        "0 60 20260101 0 unknown 1 1 1.00 4",
        "60 120 20260101 1 Next 1 5 5.00 1",
        "60 120 20260101 1 Third 1 1 1.00 2",
    ];
    assert_eq!(whole(&answer, "categories_1m"), expected);
    // The rollup keeps what each base window resolved, although p1 and p3 have other categories by the hour's end.
    let expected = [
        "Greatest 1 1 1.00 2",
        "New 1 1 1.00 3",
        "Next 1 5 5.00 1",
        "Own 1 1 1.00 4",
        "Third 1 1 1.00 5",
        "unknown 1 1 1.00 6",
    ];
    assert_eq!(own(&answer, "categories_1h"), expected);
}

#[test]
fn a_category_counts_an_order_once_and_late_or_duplicate_products_do_not_count() {
    let lines = [
        order("1", 200.0, "c", "1", &["p1 1 1 K", "p2 1 1 K", "p3 1 1"], ""),
        product("2", 0.0, "p3", "Late"),
        product("1", 200.0, "p3", "Duplicate"),
    ];
    assert_eq!(own(&run_one(&lines, &usual()), "categories_1m"), ["K 1 2 2.00 1", "unknown 1 1 1.00 2"]);
}

#[test]
fn a_category_known_from_an_earlier_window_or_another_partition_holds() {
    let files = [file(&[order("1", 200.0, "c", "1", &["p 1 1"], "")]), file(&[product("2", 0.0, "p", "Known")])];
    for order in [[0, 1], [1, 0]] {
        assert_eq!(own(&run(&files, &usual(), &order), "categories_1m"), ["Known 1 1 1.00 1"]);
    }
}

#[test]
fn distinct_counts_of_a_rollup_are_not_added_up() {
    let lines = [view("1", 0.0), view("2", 60.0), click("3", 120.0, "view", "s2", r#""product_id":"p1""#)];
    let answer = run_one(&lines, &usual());
    let sessions = |table: &str| answer.tables[table].iter().map(|row| row[10].clone()).collect::<Vec<_>>();
    assert_eq!(sessions("kpis_1m"), [Value::Int(1), Value::Int(1), Value::Int(1)]);
    assert_eq!(sessions("kpis_1h"), [Value::Int(2)]);
    assert_eq!(answer.windows, 3);
}

#[test]
fn the_funnel_has_four_stages_for_every_kpis_row() {
    let lines = [
        view("1", 0.0),
        view("2", 0.0),
        click("3", 0.0, "view", "s2", r#""product_id":"p""#),
        click("4", 0.0, "add_to_cart", "s2", r#""product_id":"p""#),
        click("5", 0.0, "checkout", "s3", ""),
        order("6", 0.0, "c", "1", &["p 1 1"], ""),
        line("customer", "7", 60.0, r#""customer_id":"c""#),
    ];
    let answer = run_one(&lines, &usual());
    let expected = ["add_to_cart 2 1", "checkout 3 1", "order 4 0", "view 1 2"];
    assert_eq!(own(&answer, "funnel_1m")[..4], expected);
    assert_eq!(own(&answer, "funnel_1m")[4..], ["add_to_cart 2 0", "checkout 3 0", "order 4 0", "view 1 0"]);
    assert_eq!(own(&answer, "funnel_1h"), expected);
}

#[test]
fn payments_are_grouped_by_method_status_and_reason() {
    let reason = r#""failure_reason":"fraud""#;
    let lines = [
        payment("1", 0.0, "card", "1", "succeeded", ""),
        payment("2", 0.0, "card", "2.5", "succeeded", r#""failure_reason":null"#),
        payment("3", 0.0, "card", "4", "failed", ""),
        payment("4", 0.0, "card", "8", "failed", reason),
        payment("5", 0.0, "bank", "16", "failed", reason),
        payment("6", 0.0, "card", "32", "succeeded", reason),
    ];
    let expected = [
        "bank failed fraud 1 16.00",
        "card failed null 1 4.00",
        "card failed fraud 1 8.00",
        "card succeeded null 2 3.50",
        "card succeeded fraud 1 32.00",
    ];
    assert_eq!(own(&run_one(&lines, &usual()), "payments_1m"), expected);
}

#[test]
fn quality_counts_a_record_where_max_p_then_stands() {
    let lines = [
        "{}\n".into(),    // before the first valid one: in its window, minute 0
        "x\n".into(),     // likewise
        view("a", 59.0),  // minute 0, delay 0
        view("b", 70.0),  // minute 1, delay 0
        view("c", 30.0),  // late; seen in minute 1, delay 40 s
        view("d", 69.0),  // minute 1, delay 1 s
        view("d", 69.0),  // duplicate, minute 1, delay 1 s
        "[]\n".into(),    // minute 1
        view("e", 250.0), // minute 4
    ];
    let answer = run_one(&lines, &usual());
    let expected = [
        "0 60 20260101 0 3 1 0 0 2 0 0.0 0.0 0.0",
        "60 120 20260101 1 5 2 1 1 1 3 1000.0 40000.0 40000.0",
        "240 300 20260101 4 1 1 0 0 0 0 0.0 0.0 0.0",
    ];
    assert_eq!(whole(&answer, "quality_1m"), expected);
    let expected =
        ["0 60 20260101 0 malformed_json 1", "0 60 20260101 0 missing_field 1", "60 120 20260101 1 not_an_object 1"];
    assert_eq!(whole(&answer, "rejections_1m"), expected);
}

#[test]
fn a_quality_row_stands_where_no_kpis_row_does_and_has_no_delays_without_valid_records() {
    // The duplicate moves max_p to minute 1, in which nothing is accepted.
    let answer = run_one(&[view("a", 0.0), view("a", 65.0)], &usual());
    assert_eq!((answer.tables["kpis_1m"].len(), answer.tables["quality_1m"].len()), (1, 2));
    // A file's rejected records come with a file's window even where its only valid record is elsewhere.
    let files = [file(&[view("a", 0.0)]), file(&["x\n".into(), view("b", 600.0)]), file(&["x\n".into()])];
    let answer = run(&files, &usual(), &[2, 1, 0]);
    let records: Vec<String> = whole(&answer, "quality_1m");
    assert_eq!(records, ["0 60 20260101 0 1 1 0 0 0 0 0.0 0.0 0.0", "600 660 20260101 10 2 1 0 0 1 0 0.0 0.0 0.0"]);
    assert_eq!(answer.ledger.rejected, 2);
}

#[test]
fn percentiles_are_by_nearest_rank_and_have_three_digits() {
    // The first record is the newest, so that the others' delays are exact; the window is a day, so that none is late.
    let config = config(86_400, &[], 3_600, "+00:00");
    let quality = |delays_micros: &[i64]| {
        let at = |micros: i64| {
            let time = START + 40_000 * 1_000_000 - micros;
            let text = EventTime::from_micros(time).to_string();
            format!(
                r#"{{"event_type":"customer","event_id":"{micros}","customer_id":"c","event_time":"{text}"}}{}"#,
                "\n"
            )
        };
        let lines: Vec<String> = delays_micros.iter().map(|&micros| at(micros)).collect();
        show(&run_one(&lines, &config).tables["quality_1d"][0][10..])
    };
    assert_eq!(quality(&[0]), "0.0 0.0 0.0");
    assert_eq!(quality(&[0, 999]), "0.0 0.999 0.999");
    assert_eq!(quality(&[0, 1_234, 1_235]), "1.23 1.24 1.235");
    assert_eq!(quality(&[0, 5_555_555, 12_344_999]), "5560.0 12300.0 12344.999");
    assert_eq!(quality(&[0, 999_499, 999_500]), "999.0 1000.0 999.5");
    // Of 200 the 100th and the 198th.
    let many: Vec<i64> = (0..200).collect();
    assert_eq!(quality(&many), "0.099 0.197 0.199");
    let many: Vec<i64> = (0..101).collect();
    assert_eq!(quality(&many), "0.05 0.099 0.1");
}

#[test]
fn a_customer_is_active_in_the_first_base_window_of_each_day() {
    let day = 86_400.0;
    let lines = [
        order("1", 130.0, "c1", "1", &["p 1 1"], ""),
        payment("2", 125.0, "card", "1", "failed", r#""customer_id":"c1""#),
        click("3", 200.0, "checkout", "s", r#""customer_id":"c2""#),
        line("customer", "4", 201.0, r#""customer_id":"c3""#),
        click("5", day + 61.0, "checkout", "s", r#""customer_id":"c1""#),
    ];
    let answer = run_one(&lines, &usual());
    let expected = ["120 180 20260101 2 c1", "180 240 20260101 3 c2", "86460 86520 20260102 1 c1"];
    assert_eq!(whole(&answer, "customer_activity"), expected);
    assert!(!run_one(&lines, &config(60, &[3_600], 10, "+00:00")).tables.contains_key("customer_activity"));
}

#[test]
fn dimensions_hold_the_newest_accepted_event_as_a_whole() {
    let customer = |id: &str, seconds: f64, members: &str| {
        line("customer", id, seconds, &format!(r#""customer_id":"c"{members}"#))
    };
    let lines = [
        customer("b", 5.0, r#","country":"DE""#),
        customer("a", 5.0, r#","country":"US","segment":"vip""#),
        customer("z", 4.0, r#","segment":"old""#),
        product("1", 1.0, "p", "k1"),
        product("2", 0.0, "p", "k2"),
    ];
    let answer = run_one(&lines, &usual());
    let at = |seconds: i64| Value::Timestamp(START + seconds * 1_000_000);
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(answer.tables["dim_customer"], [[text("c"), text("DE"), Value::Null, at(5)]]);
    assert_eq!(answer.tables["dim_product"], [[text("p"), text("N-1"), text("k1"), Value::Money(150), at(1)]]);
}

#[test]
fn an_offset_shifts_alignment_days_date_and_minute() {
    // 00:10Z is 05:40 the same day in India and 16:10 the day before in California.
    let lines = [click("1", 600.0, "checkout", "s", r#""customer_id":"c""#)];
    let india = run_one(&lines, &config(3_600, &[86_400], 10, "+05:30"));
    assert_eq!(whole(&india, "customer_activity"), ["-1800 1800 20260101 300 c"]);
    assert!(whole(&india, "kpis_1d")[0].starts_with("-19800 66600 20260101 0 "));
    let california = run_one(&lines, &config(3_600, &[86_400], 10, "-08:00"));
    assert_eq!(whole(&california, "customer_activity"), ["0 3600 20251231 960 c"]);
    assert!(whole(&california, "kpis_1d")[0].starts_with("-57600 28800 20251231 0 "));
}

#[test]
fn sums_stop_at_the_end_of_their_column_and_say_so() {
    let most = "p 10000 9999999999.99";
    let full = vec![most; 100];
    let once = run_one(&[order("1", 0.0, "c", "1", &full, "")], &usual());
    assert_eq!(own(&once, "products_1m"), ["p 0 0 1 1000000 9999999999990000.00 1"]);
    assert!(!once.saturated);
    let twice = run_one(&[order("1", 0.0, "c", "1", &full, ""), order("2", 60.0, "c", "1", &full, "")], &usual());
    assert_eq!(own(&twice, "products_1h"), ["p 0 0 2 2000000 9999999999999999.99 1"]);
    assert_eq!(own(&twice, "categories_1m")[1], "unknown 1 1000000 9999999999990000.00 1");
    assert!(twice.saturated);
}

#[test]
fn the_engines_rows_come_into_the_same_form_and_a_difference_is_shown() {
    let mut rows = Rows::new(&DIM_CUSTOMER);
    let time = EventTime::from_micros(7);
    rows.push(&[Cell::Text("c2"), Cell::Null, Cell::Text("vip"), Cell::Timestamp(time)]);
    rows.push(&[Cell::Text("c1"), Cell::Text("DE"), Cell::Null, Cell::Timestamp(time)]);
    let rows = canonical(&rows);
    assert_eq!(rows.iter().map(|row| show(row)).collect::<Vec<_>>(), ["c1 DE null 7us", "c2 null vip 7us"]);
    assert_eq!(compare("dim_customer", &rows, &rows), Ok(()));
    let message = compare("dim_customer", &rows, &rows[1..]).unwrap_err();
    let expected = "dim_customer: expected 2 rows, got 1; first difference in row 0\n\
                    * customer_id          expected \"c1\"                     got \"c2\"\n\
                    * country              expected \"DE\"                     got null\n\
                    * segment              expected null                     got \"vip\"\n  \
                    updated_at           expected 7us                      got 7us\n";
    assert_eq!(message, expected);
    let message = compare("kpis_1m", &[], &[vec![Value::Int(1)]]).unwrap_err();
    assert!(message.contains("* window_start         expected (none)"), "{message}");
}
