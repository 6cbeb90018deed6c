//! §2: late, duplicate, accepted; watermarks.

use engine_model::Outcome::{Accepted, Duplicate};
use engine_model::{Outcome, Reason};

use super::{config, file, late, minute, order, outcomes, run_one, usual, view};
use crate::run;

#[test]
fn a_record_is_late_when_the_watermark_before_it_has_reached_its_windows_end() {
    // The watermark trails by 10 s, so the first minute ends for this file with a record at 70 s.
    let below = run_one(&[view("a", 69.999), view("b", 59.0)], &usual());
    assert_eq!(outcomes(&below, 0), [Accepted(minute(1)), Accepted(minute(0))]);
    let at = run_one(&[view("a", 70.0), view("b", 59.0)], &usual());
    assert_eq!(outcomes(&at, 0), [Accepted(minute(1)), late(0)]);
    let above = run_one(&[view("a", 75.0), view("b", 59.0), view("c", 60.0)], &usual());
    assert_eq!(outcomes(&above, 0), [Accepted(minute(1)), late(5), Accepted(minute(1))]);
    assert_eq!(below.tables["kpis_1m"].len(), 2);
    assert_eq!((at.tables["kpis_1m"].len(), at.windows, at.ledger.late), (1, 1, 1));
}

#[test]
fn the_first_valid_record_is_never_late_and_rejected_ones_move_no_watermark() {
    let answer = run_one(&["{}\n".into(), view("a", 500.0), "{}\n".into(), view("b", 0.0)], &usual());
    let kinds = outcomes(&answer, 0);
    assert!(matches!(kinds[0], Outcome::Rejected(_)) && matches!(kinds[2], Outcome::Rejected(_)));
    assert_eq!((kinds[1], kinds[3]), (Accepted(minute(8)), late(430)));
    assert_eq!(answer.ledger.by_reason[&Reason::MissingField], 2);
}

#[test]
fn an_id_accepted_into_a_window_still_open_makes_a_duplicate_whatever_else_differs() {
    let lines = [view("a", 0.0), view("a", 0.0), order("a", 65.0, "c", "1", &["p 1 1"], ""), view("b", 1.0)];
    let answer = run_one(&lines, &usual());
    let expected = [Accepted(minute(0)), Duplicate(minute(0)), Duplicate(minute(0)), Accepted(minute(0))];
    assert_eq!(outcomes(&answer, 0), expected);
    assert_eq!(answer.ledger.duplicates, 2);
}

#[test]
fn an_id_is_free_again_once_the_watermark_has_passed_its_window() {
    let below = run_one(&[view("a", 0.0), view("b", 69.0), view("a", 69.0)], &usual());
    assert_eq!(outcomes(&below, 0)[2], Duplicate(minute(0)));
    let at = run_one(&[view("a", 0.0), view("b", 70.0), view("a", 70.0), view("a", 71.0)], &usual());
    assert_eq!(outcomes(&at, 0)[2..], [Accepted(minute(1)), Duplicate(minute(1))]);
}

#[test]
fn late_is_asked_before_duplicate_and_duplicates_and_late_ones_move_max_p() {
    let answer = run_one(&[view("a", 0.0), view("b", 100.0), view("a", 0.0)], &usual());
    assert_eq!(outcomes(&answer, 0)[2], late(30));
    // The duplicate at 75 s is what makes the last one late.
    let answer = run_one(&[view("a", 0.0), view("a", 75.0), view("b", 0.0)], &usual());
    assert_eq!(outcomes(&answer, 0), [Accepted(minute(0)), Duplicate(minute(0)), late(5)]);
}

#[test]
fn duplicates_are_found_across_partitions() {
    let files = [file(&[view("a", 0.0), view("b", 30.0)]), file(&[view("a", 0.0), view("b", 30.0)])];
    let one_after_the_other = run(&files, &usual(), &[]);
    assert_eq!(outcomes(&one_after_the_other, 1), [Duplicate(minute(0)), Duplicate(minute(0))]);
    let in_turn = run(&files, &usual(), &[1, 0, 0]);
    assert_eq!(outcomes(&in_turn, 0), [Duplicate(minute(0)), Accepted(minute(0))]);
    assert_eq!(outcomes(&in_turn, 1), [Accepted(minute(0)), Duplicate(minute(0))]);
    assert_eq!(in_turn.tables["kpis_1m"], one_after_the_other.tables["kpis_1m"]);
}

#[test]
fn each_partition_is_late_by_its_own_watermark_only() {
    let files =
        [file(&[view("a", 1_000.0), view("x", 0.0)]), file(&[view("b", 0.0), view("c", 100.0), view("d", 0.0)])];
    for order in [vec![], vec![1, 1, 1], vec![0, 1, 0, 1]] {
        let answer = run(&files, &usual(), &order);
        assert_eq!(outcomes(&answer, 0), [Accepted(minute(16)), late(930)]);
        assert_eq!(outcomes(&answer, 1), [Accepted(minute(0)), Accepted(minute(1)), late(30)]);
    }
}

#[test]
fn a_copy_from_a_partition_that_is_past_the_window_of_the_first_counts_again() {
    let files = [file(&[view("a", 0.0), view("z", 1.0)]), file(&[view("b", 70.0), view("a", 71.0)])];
    let answer = run(&files, &usual(), &[0, 1, 1, 0]);
    assert_eq!(outcomes(&answer, 1), [Accepted(minute(1)), Accepted(minute(1))]);
    // A partition that is not past it finds the first.
    let files = [file(&[view("a", 0.0), view("z", 1.0)]), file(&[view("b", 69.0), view("a", 69.0)])];
    assert_eq!(outcomes(&run(&files, &usual(), &[0, 1, 1, 0]), 1)[1], Duplicate(minute(0)));
}

#[test]
fn delayed_is_a_valid_record_older_than_the_newest_before_it() {
    let lines = [view("a", 10.0), view("b", 10.0), view("c", 9.999), view("c", 9.0), view("d", 200.0), view("e", 0.0)];
    let answer = run_one(&lines, &usual());
    // c, its duplicate, and the late e.
    assert_eq!(answer.ledger.delayed, 3);
    assert_eq!((answer.ledger.accepted, answer.ledger.duplicates, answer.ledger.late), (4, 1, 1));
}

#[test]
fn without_lateness_a_window_ends_with_the_first_record_of_a_later_one() {
    let config = config(60, &[], 0, "+00:00");
    let answer = run_one(&[view("a", 59.0), view("b", 60.0), view("c", 59.9)], &config);
    assert_eq!(outcomes(&answer, 0)[1..], [Accepted(minute(1)), late(0)]);
}

#[test]
fn empty_partitions_and_partitions_without_a_valid_record_hold_nothing_up_at_the_end() {
    let files = [file(&[]), file(&["x\n".into(), "[]\n".into()]), file(&[view("a", 0.0)])];
    let answer = run(&files, &usual(), &[2, 1]);
    assert_eq!((answer.ledger.records, answer.ledger.rejected, answer.windows), (3, 2, 1));
    assert_eq!(answer.tables["quality_1m"].len(), 1);
    assert!(answer.tables["rejections_1m"].is_empty());
    assert!(run(&[], &usual(), &[]).tables.values().all(Vec::is_empty));
}

#[test]
fn offsets_are_those_of_the_lines_first_bytes() {
    let first = view("a", 0.0);
    let answer = run_one(&[first.clone(), "  \r\n".into(), "x\r\n".into(), view("b", 0.0)], &usual());
    let offsets: Vec<u64> = answer.outcomes[0].iter().map(|record| record.offset).collect();
    let first = first.len() as u64;
    assert_eq!(offsets, [0, first + 4, first + 7]);
}
