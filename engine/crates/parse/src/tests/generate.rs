//! Lines for the twins to disagree about: valid records with their members edited, then their bytes.
//!
//! Most edits are such that the record may stay valid, so that both ends of every rule are reached.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{Members, click, customer, order, payment, product};

/// One record, most often nearly valid; never with a newline.
pub(super) fn arb_line() -> impl Strategy<Value = Vec<u8>> {
    let action = |action| click().with("action", action);
    let clicks = select(vec![action(r#""view""#), action(r#""add_to_cart""#), action(r#""checkout""#)]);
    let payments = select(vec![payment(), payment().with("status", r#""succeeded""#).without("failure_reason")]);
    let record = prop_oneof![2 => clicks, 2 => payments, 3 => select(vec![order(), customer(), product()])];
    let byte_edits = prop_oneof![3 => vec(arb_byte_edit(), 0..1), 1 => vec(arb_byte_edit(), 1..3)];
    let records = (record, vec(arb_edit(), 0..4), arb_spaces(), byte_edits);
    let lines = records.prop_map(|(mut record, edits, spaces, byte_edits)| {
        for edit in edits {
            edit.apply(&mut record);
        }
        let mut line = spaced(&record, &spaces).into_bytes();
        for edit in byte_edits {
            edit.apply(&mut line);
        }
        line.retain(|&byte| byte != b'\n');
        line
    });
    prop_oneof![30 => lines, 1 => arb_raw().prop_map(String::into_bytes)]
}

/// A change of one member. Where it wants a member and none is left, nothing happens.
#[derive(Clone, Debug)]
enum Edit {
    Remove(Index),
    Swap(Index, Index),
    /// A fitting value, or any value, in place of the old one.
    Replace(Index, Value),
    /// A second member of the same name somewhere.
    Repeat(Index, Index, Value),
    Ignored(Index, String, Value),
    EscapeName(Index, u64),
    EscapeValue(Index, u64),
    Retype(&'static str),
}

/// A value for any field: one made for it, or one made for none.
#[derive(Clone, Debug)]
struct Value {
    text: String,
    time: String,
    money: String,
    items: String,
    action: String,
    status: String,
    currency: String,
    any: String,
    fits: bool,
}

impl Value {
    fn for_name(&self, name: &str) -> &str {
        if !self.fits {
            return &self.any;
        }
        match name.trim_matches('"') {
            "event_time" => &self.time,
            "total" | "amount" | "price" => &self.money,
            "items" => &self.items,
            "action" => &self.action,
            "status" => &self.status,
            "currency" => &self.currency,
            _ => &self.text,
        }
    }
}

impl Edit {
    fn apply(&self, Members(members): &mut Members) {
        if let Edit::Retype(event_type) = self {
            members.push((r#""event_type""#.to_owned(), format!("\"{event_type}\"")));
        }
        if members.is_empty() {
            return;
        }
        let count = members.len();
        match self {
            Edit::Remove(which) => drop(members.remove(which.index(count))),
            Edit::Swap(one, other) => members.swap(one.index(count), other.index(count)),
            Edit::Replace(which, value) => {
                let (name, raw) = &mut members[which.index(count)];
                value.for_name(name).clone_into(raw);
            }
            Edit::Repeat(which, place, value) => {
                let name = members[which.index(count)].0.clone();
                let raw = value.for_name(&name).to_owned();
                members.insert(place.index(count + 1), (name, raw));
            }
            Edit::Ignored(place, name, value) => {
                members.insert(place.index(count + 1), (name.clone(), value.any.clone()));
            }
            Edit::EscapeName(which, mask) => {
                let name = &mut members[which.index(count)].0;
                *name = escaped(name, *mask);
            }
            Edit::EscapeValue(which, mask) => {
                let raw = &mut members[which.index(count)].1;
                *raw = escaped(raw, *mask);
            }
            Edit::Retype(_) => {}
        }
    }
}

/// With `\uXXXX` for the characters inside strings that `mask` picks. Leaves strings that have escapes as they are.
fn escaped(raw: &str, mask: u64) -> String {
    if raw.contains('\\') {
        return raw.to_owned();
    }
    let (mut out, mut in_string) = (String::new(), false);
    for (index, char) in raw.chars().enumerate() {
        in_string ^= char == '"';
        if in_string && char != '"' && mask >> (index % 64) & 1 == 1 {
            for (place, unit) in char.encode_utf16(&mut [0; 2]).iter().enumerate() {
                let is_upper = mask >> ((index + place) % 63) & 2 == 2;
                let digits = if is_upper { format!("{unit:04X}") } else { format!("{unit:04x}") };
                out += "\\u";
                out += &digits;
            }
        } else {
            out.push(char);
        }
    }
    out
}

fn arb_edit() -> impl Strategy<Value = Edit> {
    let index = any::<Index>;
    prop_oneof![
        1 => index().prop_map(Edit::Remove),
        2 => (index(), index()).prop_map(|(one, other)| Edit::Swap(one, other)),
        6 => (index(), arb_value()).prop_map(|(which, value)| Edit::Replace(which, value)),
        2 => (index(), index(), arb_value()).prop_map(|(which, place, value)| Edit::Repeat(which, place, value)),
        2 => (index(), arb_string(), arb_value()).prop_map(|(place, name, value)| Edit::Ignored(place, name, value)),
        2 => (index(), any::<u64>()).prop_map(|(which, mask)| Edit::EscapeName(which, mask)),
        2 => (index(), any::<u64>()).prop_map(|(which, mask)| Edit::EscapeValue(which, mask)),
        1 => select(vec!["click", "order", "payment", "customer", "product", "refund"]).prop_map(Edit::Retype),
    ]
}

fn arb_value() -> impl Strategy<Value = Value> {
    let words = (
        one_of(r#""view" "add_to_cart" "checkout" "\u0063heckout" "Checkout""#),
        one_of(r#""succeeded" "failed" "f\u0061iled" "pending""#),
        one_of(r#""USD" "US\u0044" "EUR""#),
    );
    let fitting = (arb_string(), arb_time(), arb_money(), arb_items());
    (fitting, words, arb_raw(), prop::bool::weighted(0.8)).prop_map(|(fitting, words, any, fits)| {
        let (text, time, money, items) = fitting;
        let (action, status, currency) = words;
        Value { text, time, money, items, action, status, currency, any, fits }
    })
}

/// One of the words between the spaces.
fn one_of(words: &'static str) -> impl Strategy<Value = String> {
    select(words.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

/// Any value of JSON; sometimes not quite.
fn arb_raw() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => one_of(r#"null true false "" 0 -0 -1 1e2 1.0 [] {} nul 01 1. .5 +1 NaN 'a' , "#),
        2 => arb_string(),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,3})?",
        1 => arb_money(),
        1 => arb_quantity(),
        1 => arb_time(),
    ];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|values| format!("[{}]", values.join(" ,\t"))),
            vec((arb_string(), inner), 0..3).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(name, raw)| format!("{name}: {raw}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// A string in quotes: any characters, lengths about the limits, escapes sound and unsound.
fn arb_string() -> impl Strategy<Value = String> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap();
    prop_oneof![
        4 => "[a-z0-9-]{1,36}".prop_map(quoted),
        2 => ".{0,20}".prop_map(quoted),
        2 => (select(vec!["a", "ä", "€", "😀"]), select(vec![31usize, 32, 33, 63, 64, 65, 199, 200, 201]))
            .prop_map(move |(char, bytes)| quoted(char.repeat(bytes / char.len()) + &"x".repeat(bytes % char.len()))),
        2 => vec(one_of(r#"\n \" \\ \/ \b \f \r \t \u0000 \u00e4 \uD83D\uDE00 a €"#), 0..24)
            .prop_map(|parts| format!("\"{}\"", parts.concat())),
        1 => vec(prop_oneof![one_of(r"\uD83D \ude00 \uD83D\uDE00 a \x \u12 \u12G4 \"), "[\t\u{1}\u{1f}\u{7f}]"], 1..5)
            .prop_map(|parts| format!("\"{}\"", parts.concat())),
    ]
}

fn arb_money() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(0|[1-9][0-9]{0,9})(\\.[0-9]{1,2})?",
        2 => "\"[0-9]{1,10}(\\.[0-9]{1,2})?\"",
        1 => "\"0{0,30}[0-9]{9,11}(\\.[0-9]{1,2})?\"",
        1 => "\"[ +-]?[0-9]{0,3}\\.?[0-9]{0,3}[ eE]?[0-9]?\"",
        1 => "-?[0-9]{1,3}(\\.[0-9]{1,3})?([eE]-?[0-9])?",
        1 => one_of(r#"9999999999.98 9999999999.99 10000000000 10000000000.00 "9999999999.99" "10000000000" 1e2"#),
    ]
}

fn arb_quantity() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1..=10_000u32).prop_map(|quantity| quantity.to_string()),
        1 => one_of(r#"0 1 2 9999 10000 10001 -1 -0 1.0 1e2 "1" 4294967297 18446744073709551617 null"#),
    ]
}

fn arb_items() -> impl Strategy<Value = String> {
    let odd = prop_oneof![6 => Just(None), 1 => arb_raw().prop_map(Some)];
    let category = prop_oneof![Just(None), arb_string().prop_map(Some)];
    let item = (arb_string(), arb_quantity(), arb_money(), category, odd, 0..8usize).prop_map(
        |(product, quantity, price, category, odd, place)| {
            let mut members = vec![
                format!("\"product_id\":{product}"),
                format!("\"quantity\" : {quantity}"),
                format!("\"unit_price\":{price}"),
            ];
            members.extend(category.map(|category| format!("\"c\\u0061tegory\":{category}")));
            if let Some(odd) = odd {
                let names = ["product_id", "quantity", "unit_price", "category", "ignored"];
                let member = format!("\"{}\":{odd}", names[place % names.len()]);
                members.insert(place % (members.len() + 1), member);
            }
            format!("{{{}}}", members.join(","))
        },
    );
    let item = item.boxed();
    let small = r#"{"product_id":"p","quantity":1,"unit_price":0}"#.to_owned();
    let elements = prop_oneof![
        12 => vec(item.clone(), 1..4),
        1 => vec(prop_oneof![item, arb_raw()], 0..3),
        1 => (99..=101usize).prop_map(move |count| vec![small.clone(); count]),
    ];
    elements.prop_map(|elements| format!("[{}]", elements.join(", ")))
}

fn arb_time() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => arb_time_text().prop_map(|text| format!("\"{text}\"")),
        2 => (0..=super::NOW / 1_000 + 10).prop_map(|millis| millis.to_string()),
        1 => (-10..=10i64).prop_map(|millis| (super::NOW / 1_000 + millis).to_string()),
        1 => one_of("-1 1e3 253402300799999 253402300800000 18446744073709551616 100000000000000000000000"),
    ]
}

/// A text that is nearly RFC 3339, or is.
pub(super) fn arb_time_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => concat!(
            "(19[67][0-9]|20[0-2][0-9])-(0[1-9]|1[0-2])-([012][0-9]|3[01])[Tt ]([01][0-9]|2[0-4]):[0-5][0-9]:[0-5][0-9]",
            "(\\.[0-9]{1,12})?(Z|z|[+-]([01][0-9]|2[0-4]):[0-5][0-9])",
        ),
        1 => "[0-9]{4}-02-(28|29|30)T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
        1 => concat!(
            "(1969-12-31|1970-01-01|9999-12-31|0000-01-01)T(00|23):(00|59):(00|59|60)",
            "(\\.9{1,9})?(Z|[+-](00|23):(00|59|60))",
        ),
        1 => concat!(
            "20[0-9]{2}-1[0-9]-[0-9]{2}[T_ ]{1,2}[0-9]{2}:[0-9]{2}(:[0-9]{2})?",
            "[.,]?[0-9]{0,3}[Z+-]?([0-9]{2}:?[0-9]{0,2})?",
        ),
    ]
}

/// Whitespace to put between tokens, used in turn.
fn arb_spaces() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![Just(vec![""]), vec(select(vec!["", "", " ", "\t", "\r", " \t "]), 1..6)]
}

fn spaced(Members(members): &Members, spaces: &[&str]) -> String {
    let mut turn = spaces.iter().cycle();
    let mut line = String::new();
    let mut put = |token: &str| {
        line += token;
        line += turn.next().copied().unwrap_or_default();
    };
    put("");
    put("{");
    for (index, (name, raw)) in members.iter().enumerate() {
        if index > 0 {
            put(",");
        }
        put(name);
        put(":");
        put(raw);
    }
    put("}");
    line
}

#[derive(Clone, Debug)]
enum ByteEdit {
    Truncate(Index),
    Set(Index, u8),
    Insert(Index, u8),
    Delete(Index),
}

impl ByteEdit {
    fn apply(&self, line: &mut Vec<u8>) {
        if line.is_empty() {
            return;
        }
        let count = line.len();
        match self {
            ByteEdit::Truncate(at) => line.truncate(at.index(count)),
            ByteEdit::Set(at, byte) => line[at.index(count)] = *byte,
            ByteEdit::Insert(at, byte) => line.insert(at.index(count + 1), *byte),
            ByteEdit::Delete(at) => drop(line.remove(at.index(count))),
        }
    }
}

fn arb_byte_edit() -> impl Strategy<Value = ByteEdit> {
    let byte = || prop_oneof![any::<u8>(), select(br#"{}[]",:\u0123456789-+.eE tfn"#.to_vec())];
    prop_oneof![
        any::<Index>().prop_map(ByteEdit::Truncate),
        (any::<Index>(), byte()).prop_map(|(at, byte)| ByteEdit::Set(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| ByteEdit::Insert(at, byte)),
        any::<Index>().prop_map(ByteEdit::Delete),
    ]
}

/// Pieces of JSON one after another, where the value of a valid record stands or where a whole line does; never with a
/// newline.
pub(super) fn arb_soup() -> impl Strategy<Value = String> {
    const PIECES: [&str; 36] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"\"",
        "\"a\"",
        "\"a\":",
        "\"\\u00e9\"",
        "\"\\\\\"",
        "\"\\\"\"",
        "\\\"",
        "\\u12",
        "\"\\ud800\"",
        " ",
        "\t",
        "\r",
        "\u{c}",
        "\u{1a}",
        "\u{7f}",
        "0",
        "-1.5e3",
        "01",
        "1.",
        "true",
        "nul",
        "null",
        "[]",
        "{}",
        "\"event_type\":\"order\"",
        "é",
        "[1,\"b\",{\"c\":null}]",
        "\"é\"",
    ];
    let pieces = prop_oneof![2 => vec(select(&PIECES[..]), 1..3), 1 => vec(select(&PIECES[..]), 0..12)];
    (pieces, 0..70usize, 0..4usize).prop_map(|(pieces, spaces, frame)| {
        let soup = pieces.concat();
        match frame {
            0 => soup,
            1 => format!("[{:spaces$}{soup}]", ""),
            2 => click().line().replacen('{', &format!("{{\"x\":{:spaces$}{soup},", ""), 1),
            _ => click().with("x", &soup).line(),
        }
    })
}
