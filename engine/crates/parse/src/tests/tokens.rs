//! The index of tokens and the walk over it, through the parsers that use them: strings, escapes and numbers on every side
//! of the border between two blocks, and texts that are nearly JSON. The slow twin reads all of them too.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use engine_model::Reason;

use super::twin::read_slowly;
use super::{RULES, Refusal, click, generate, order, read};

/// The reading of `line` by every parser and the twin.
fn read_by_all(line: &str) -> Result<super::Plain, Refusal> {
    let reading = read(format!("{line}\n").as_bytes(), &RULES);
    assert_eq!(reading, read_slowly(line.as_bytes()), "{line}");
    reading.expect("the line is not blank")
}

#[test]
fn strings_and_escapes_are_read_alike_wherever_a_block_ends() {
    let line = click()
        .with("event_id", r#""e\\\\\"\\""#)
        .with("product_id", r#""\u00e4\\""#)
        .with("y", r#"[-12.5e+3,{"a\"\\":"\\"},true ,[]]"#)
        .line();
    for len in 0..=130 {
        let padded = line.replacen('{', &format!("{{\"\\\\{}\":\"\\n{0}\",", "x".repeat(len)), 1);
        let plain = read_by_all(&padded).expect("a valid line");
        assert_eq!((plain.event_id.as_str(), plain.subject.as_deref()), (r#"e\\"\"#, Some("ä\\")));
    }
}

#[test]
fn a_line_is_cut_nowhere_with_success() {
    let line = order().with("z", r#"["\\\"",{"b":[1,"\u00e4"]}]"#).line();
    for len in 0..=70 {
        let padded = line.replacen('{', &format!("{{{:len$}", ""), 1);
        assert!(read_by_all(&padded).is_ok());
        for end in 1..padded.len() {
            assert_eq!(read_by_all(&padded[..end]), Err((Reason::MalformedJson, None)), "cut at {end}");
            if len % 23 != 0 {
                break;
            }
        }
    }
}

#[test]
fn what_stands_between_tokens_must_be_blank() {
    for (left, right) in [("", ""), (" ", ""), ("", " "), ("\t", "\r")] {
        for odd in [
            "x", "1", "\"", "\\", "\u{c}", "\u{1a}", "\u{0}", "\t", "\u{1f}", "\u{7f}", "é", ",", ":", "}", "{", "]",
            "null",
        ] {
            for (before, after) in [
                (r#"{"a""#, ":1}"),
                (r#"{"a":"#, r#""b"}"#),
                (r#"{"a":"b""#, r#","c":1}"#),
                (r#"{"a":1"#, r#","c":1}"#),
                (r#"{"a":[1,2"#, r#"],"c":1}"#),
                (r#"{"a":["b""#, r#"],"c":1}"#),
                (r#"{"a":{"b":"c""#, r#"},"c":1}"#),
                (r#"{"a":true"#, "}"),
                (r#"{"a":"b""#, "}"),
                (r#"{"a":"b"}"#, ""),
                (r#"{"a":"b"#, r#"c"}"#),
                (r#"{"a"#, r#"b":"c"}"#),
                ("", r#"{"a":"b"}"#),
            ] {
                // Most are malformed; what matters is that all agree with the twin.
                let _agreed = read_by_all(&format!("{before}{left}{odd}{right}{after}"));
            }
        }
    }
}

#[test]
fn arrays_and_objects_nest_as_deep_as_allowed_and_no_deeper() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for (depth, expected) in [(127, true), (128, true), (129, false)] {
            let nested = format!("{}0{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(read_by_all(&click().with("y", &nested).line()).is_ok(), expected, "{open} {depth} deep");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4_000), ..Default::default() })]

    #[test]
    fn texts_that_are_nearly_json_are_read_alike(line in generate::arb_soup()) {
        let bytes = format!("{line}\n");
        let line = line.strip_suffix('\r').unwrap_or(&line);
        prop_assert_eq!(read(bytes.as_bytes(), &RULES), read_slowly(line.as_bytes()), "{}", line);
    }
}

#[test]
fn texts_that_are_nearly_json_often_are() {
    let mut runner = TestRunner::deterministic();
    let (mut accepted, mut malformed) = (0, 0);
    for _ in 0..2_000 {
        let line = generate::arb_soup().new_tree(&mut runner).unwrap().current();
        match read_slowly(line.as_bytes()) {
            Some(Ok(_)) => accepted += 1,
            Some(Err((Reason::MalformedJson, _))) => malformed += 1,
            _ => {}
        }
    }
    assert!(accepted > 100 && malformed > 500, "{accepted} accepted, {malformed} malformed");
}
