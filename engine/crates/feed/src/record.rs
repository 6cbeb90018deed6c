//! A Gold row as a JSON object, with the columns' names as keys.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;

use engine_model::gold::LEADING;
use engine_model::{Cell, Rows};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One row as an object: its fields in the order of the columns.
///
/// Money is text, `"12.34"`, so that no reader makes a float of it; instants are RFC 3339 in UTC; nulls are null. Bytes are
/// text where they are UTF-8, else base64 (RFC 4648, with padding): lines that are no UTF-8 are rejected for
/// `invalid_utf8`, or were cut as `too_large`.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    rows: &'a Rows,
    row: usize,
    first_column: usize,
    /// A field more than the table has.
    extra: Option<(&'static str, Option<String>)>,
}

impl<'a> Record<'a> {
    /// All columns of a row.
    ///
    /// # Panics
    /// When serialized, where there is no such row.
    #[must_use]
    pub fn new(rows: &'a Rows, row: usize) -> Record<'a> {
        Record { rows, row, first_column: 0, extra: None }
    }

    /// The columns of a row but for the four that say which window it belongs to.
    #[must_use]
    pub(crate) fn of_window(rows: &'a Rows, row: usize) -> Record<'a> {
        debug_assert!(rows.schema().is_windowed());
        Record { first_column: LEADING.len(), ..Record::new(rows, row) }
    }

    pub(crate) fn with(self, name: &'static str, text: Option<String>) -> Record<'a> {
        Record { extra: Some((name, text)), ..self }
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (index, column) in self.rows.schema().columns().enumerate().skip(self.first_column) {
            match self.rows.cell(self.row, index) {
                Cell::Null => map.serialize_entry(column.name, &())?,
                Cell::Int32(value) => map.serialize_entry(column.name, &value)?,
                Cell::Int64(value) => map.serialize_entry(column.name, &value)?,
                Cell::Double(value) => map.serialize_entry(column.name, &value)?,
                cell @ (Cell::Money(_) | Cell::Timestamp(_) | Cell::Text(_) | Cell::Bytes(_)) => {
                    map.serialize_entry(column.name, &text_of(cell))?;
                }
            }
        }
        if let Some((name, text)) = &self.extra {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}

/// Rows of one window as an array of objects.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rows: Option<&'a Rows>,
    range: Range<usize>,
}

impl<'a> Records<'a> {
    /// All rows; none where there is no such table.
    pub(crate) fn all(rows: Option<&'a Rows>) -> Records<'a> {
        Records { rows, range: 0..rows.map_or(0, Rows::len) }
    }
}

impl Serialize for Records<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.range.len()))?;
        for row in self.range.clone() {
            list.serialize_element(&Record::of_window(self.rows.expect("there are rows"), row))?;
        }
        list.end()
    }
}

/// Writes a row as one JSON object on one line; see [`Record`].
///
/// # Errors
/// Where `out` does not take it.
pub fn json_row(out: &mut impl Write, rows: &Rows, row: usize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Record::new(rows, row))?;
    out.write_all(b"\n")
}

/// The exact value as text; empty where null.
pub(crate) fn text_of(cell: Cell<'_>) -> Cow<'_, str> {
    match cell {
        Cell::Null => Cow::Borrowed(""),
        Cell::Timestamp(time) => Cow::Owned(time.to_string()),
        Cell::Int32(value) => Cow::Owned(value.to_string()),
        Cell::Int64(value) => Cow::Owned(value.to_string()),
        Cell::Money(cents) => Cow::Owned(cents.to_string()),
        Cell::Double(value) => Cow::Owned(value.to_string()),
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Bytes(bytes) => bytes_text(bytes),
    }
}

/// Bytes as text where they are UTF-8, else as base64 (RFC 4648, with padding).
#[must_use]
pub fn bytes_text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(base64(bytes)), Cow::Borrowed)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use engine_model::gold::DIM_PRODUCT;
    use engine_model::{Cents, EventTime};

    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(base64(&[0xff, 0xfe, 0xfb]), "//77");
    }

    #[test]
    fn json_has_money_as_text_and_escapes_control_characters() {
        let mut rows = Rows::new(&DIM_PRODUCT);
        let name = Cell::Text("\u{1b}[31m<script>\"");
        rows.push(&[
            Cell::Text("p1"),
            name,
            Cell::Text(""),
            Cell::Money(Cents::MAX),
            Cell::Timestamp(EventTime::EPOCH),
        ]);
        let expected = "{\"product_id\":\"p1\",\"name\":\"\\u001b[31m<script>\\\"\",\"category\":\"\",\
                        \"price\":\"9999999999999999.99\",\"updated_at\":\"1970-01-01T00:00:00Z\"}\n";
        let mut out = Vec::new();
        json_row(&mut out, &rows, 0).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
