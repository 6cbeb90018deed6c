//! Money from its text, exactly: never through a float.

use engine_model::Cents;

use crate::number::digit;

/// The greatest number of whole units: one more would pass [`Cents::EVENT_MAX`], whatever the fraction.
pub(crate) const UNITS_MAX: i64 = Cents::EVENT_MAX.get() / 100;
// Any fraction goes with the greatest number of units, so checking the units is enough.
const _: () = assert!(Cents::EVENT_MAX.get() % 100 == 99);

/// Reads digits, optionally `.` and one or two digits, and nothing else; at most [`Cents::EVENT_MAX`].
///
/// Takes leading zeros: in a JSON number the grammar has ruled them out before.
pub(crate) fn parse_money(text: &[u8]) -> Option<Cents> {
    let point = text.iter().position(|&byte| byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    if whole.is_empty() {
        return None;
    }
    let mut units = 0i64;
    for &byte in whole {
        units = units * 10 + i64::from(digit(byte)?);
        if units > UNITS_MAX {
            return None;
        }
    }
    let cents = match *fraction {
        [] => 0,
        [b'.', tenths] => digit(tenths)? * 10,
        [b'.', tenths, hundredths] => digit(tenths)? * 10 + digit(hundredths)?,
        _ => return None,
    };
    Some(Cents::new(units * 100 + i64::from(cents)))
}
