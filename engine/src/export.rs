//! Rows of any table as JSON Lines, as CSV, and as text for a person.

use std::borrow::Cow;
use std::io::{self, Write};

use engine_model::gold::{Column, ColumnType, LEADING, TableSchema};
use engine_model::{Cell, EventTime, Rows, UtcOffset};

use crate::layout::{Piece, Table, TableColumn};
use crate::number::{decimal, integer, local_time, money, percent};
use crate::terminal::{Terminal, columns, cut, printable};

/// Writes a row as one JSON object on one line, its fields in the order of the columns.
///
/// Money is text, `"12.34"`, so that no reader makes a float of it; instants are RFC 3339 in UTC; nulls are null. Bytes are
/// text where they are UTF-8, else base64 (RFC 4648, with padding): lines that are no UTF-8 are rejected for
/// `invalid_utf8`, or were cut as `too_large`.
pub(crate) fn json_row(out: &mut impl Write, rows: &Rows, row: usize) -> io::Result<()> {
    for (index, column) in rows.schema().columns().enumerate() {
        let before = if index == 0 { '{' } else { ',' };
        write!(out, "{before}\"{}\":", column.name)?;
        match rows.cell(row, index) {
            Cell::Null => out.write_all(b"null")?,
            Cell::Int32(value) => write!(out, "{value}")?,
            Cell::Int64(value) => write!(out, "{value}")?,
            Cell::Double(value) => serde_json::to_writer(&mut *out, &value)?,
            cell @ (Cell::Money(_) | Cell::Timestamp(_) | Cell::Text(_) | Cell::Bytes(_)) => {
                serde_json::to_writer(&mut *out, &text_of(cell))?;
            }
        }
    }
    out.write_all(b"}\n")
}

/// Writes the columns' names as a line of CSV.
pub(crate) fn csv_header(out: &mut impl Write, schema: &TableSchema) -> io::Result<()> {
    let names: Vec<&str> = schema.columns().map(|column| column.name).collect();
    writeln!(out, "{}", names.join(","))
}

/// Writes a row as CSV, quoted after RFC 4180, with values as [`json_row`] has them. Null is empty; an empty text is
/// `""`. Nothing is changed in a text that a spreadsheet would take for a formula: this is the data.
pub(crate) fn csv_row(out: &mut impl Write, rows: &Rows, row: usize) -> io::Result<()> {
    for (index, _) in rows.schema().columns().enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        let cell = rows.cell(row, index);
        let text = text_of(cell);
        let is_text = matches!(cell, Cell::Text(_) | Cell::Bytes(_));
        if text.contains([',', '"', '\n', '\r']) || (is_text && text.is_empty()) {
            write!(out, "\"{}\"", text.replace('"', "\"\""))?;
        } else {
            out.write_all(text.as_bytes())?;
        }
    }
    out.write_all(b"\n")
}

/// The exact value as text; empty where null.
fn text_of(cell: Cell<'_>) -> Cow<'_, str> {
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

/// Bytes as text where they are UTF-8, else as base64.
pub(crate) fn bytes_text(bytes: &[u8]) -> Cow<'_, str> {
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

/// Rows as aligned columns, none of the lines wider than the terminal. Where the columns do not fit side by side, they
/// come in several tables one below the other, each beginning with what says which row it is.
///
/// Left out are `window_end`, `date_key` and `minute_of_day`, which follow from `window_start`; instants are local.
pub(crate) fn table_text(rows: &Rows, offset: UtcOffset, terminal: &Terminal) -> String {
    let leading_left_out = if rows.schema().is_windowed() { &LEADING[1..] } else { &[] };
    let is_shown = |column: &Column| !leading_left_out.iter().any(|left_out| left_out.name == column.name);
    let shown: Vec<(usize, &Column)> =
        rows.schema().columns().enumerate().filter(|(_, column)| is_shown(column)).collect();
    // A text is not cut to less than this in favour of columns that could stand further below.
    let text_width = terminal.width * 3 / 10;
    let texts = |row| shown.iter().map(|(index, column)| cell_text(rows.cell(row, *index), column, offset)).collect();
    let cells: Vec<Vec<String>> = (0..rows.len()).map(texts).collect();
    let width = |place: usize| {
        let widest = cells.iter().map(|texts| columns(&texts[place])).max().unwrap_or(0);
        let heading = columns(shown[place].1.name);
        if is_text(shown[place].1) { widest.min(text_width).max(heading) } else { widest.max(heading) }
    };
    let mut text = String::new();
    let widths: Vec<usize> = (0..shown.len()).map(width).collect();
    for places in groups(&widths, key_count(&shown), terminal.width) {
        let heading = |place: &usize| {
            let column = shown[*place].1;
            let drawn = match column.kind {
                ColumnType::Text | ColumnType::Bytes => TableColumn::TEXT.shrinks_to(widths[*place]),
                ColumnType::Timestamp => TableColumn::TEXT,
                ColumnType::Int32 | ColumnType::Int64 | ColumnType::Money | ColumnType::Double => TableColumn::NUMBER,
            };
            (drawn, column.name.to_owned())
        };
        let mut table = Table::new(places.iter().map(heading).collect());
        for texts in &cells {
            table.push(places.iter().map(|place| Piece::plain(texts[*place].clone())).collect());
        }
        if !text.is_empty() {
            text.push('\n');
        }
        table.into_block(terminal.width).write(terminal, &mut text);
    }
    text
}

fn is_text(column: &Column) -> bool {
    matches!(column.kind, ColumnType::Text | ColumnType::Bytes)
}

/// How many of the first columns say which row it is: the window, and the first text.
fn key_count(shown: &[(usize, &Column)]) -> usize {
    let is_key = |place: usize| shown.get(place).is_some_and(|(_, column)| column.kind == ColumnType::Text);
    if shown[0].1.name == LEADING[0].name && is_key(1) { 2 } else { 1 }
}

/// Which columns stand side by side, the first `keys` of them in every group.
fn groups(widths: &[usize], keys: usize, width: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = vec![(0..keys).collect()];
    for place in keys..widths.len() {
        let group = groups.last_mut().expect("there is one from the start");
        let used: usize = group.iter().map(|place| widths[*place] + 2).sum();
        if used + widths[place] <= width || group.len() == keys {
            group.push(place);
        } else {
            groups.push((0..keys).chain([place]).collect());
        }
    }
    groups
}

/// A value for a person. Only the beginning of a long text, as far as any terminal could show it.
fn cell_text(cell: Cell<'_>, column: &Column, offset: UtcOffset) -> String {
    match cell {
        Cell::Null => "-".to_owned(),
        Cell::Timestamp(time) => instant(time, offset),
        // A date or a rank: a number that is no count has no separators.
        Cell::Int32(value) => value.to_string(),
        Cell::Int64(value) => integer(value),
        Cell::Money(cents) => money(cents),
        Cell::Double(value) if column.name.ends_with("_rate") => percent(value),
        Cell::Double(value) => decimal(value),
        Cell::Text(text) => cut(&printable(text), 200),
        Cell::Bytes(bytes) => cut(&printable(&String::from_utf8_lossy(&bytes[..bytes.len().min(1_000)])), 200),
    }
}

/// The local date and time with the offset, which none other than `Z` could be mistaken for.
fn instant(time: EventTime, offset: UtcOffset) -> String {
    let zone = if offset == UtcOffset::ZERO { "Z".to_owned() } else { offset.to_string() };
    format!("{}{zone}", local_time(time, offset))
}

#[cfg(test)]
mod tests {
    use engine_model::Cents;
    use engine_model::gold::{DIM_PRODUCT, REJECTED};

    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn rejected(raw: &[u8], reason: &str) -> Rows {
        let mut rows = Rows::new(&REJECTED);
        let (zero, source) = (Cell::Int64(0), Cell::Text("a,b"));
        rows.push(&[Cell::Bytes(raw), zero, Cell::Text(reason), Cell::Null, source, Cell::Int32(0), zero]);
        rows
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let encoded = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(base64(&[0xff, 0xfe, 0xfb]), "//77");
    }

    #[test]
    fn csv_quotes_what_needs_it_and_keeps_null_and_empty_apart() {
        let row = |raw: &[u8], reason: &str| written(|out| csv_row(out, &rejected(raw, reason), 0).unwrap());
        assert_eq!(row(b"{\"a\":\n1}", "x"), "\"{\"\"a\"\":\n1}\",0,x,,\"a,b\",0,0\n");
        assert_eq!(row(b"", ""), "\"\",0,\"\",,\"a,b\",0,0\n");
        assert_eq!(row(b"\xff", "=1+1"), "/w==,0,=1+1,,\"a,b\",0,0\n");
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
        assert_eq!(written(|out| json_row(out, &rows, 0).unwrap()), expected);
    }

    #[test]
    fn columns_that_do_not_fit_come_below_with_their_keys() {
        assert_eq!(groups(&[10, 10, 10, 10], 1, 80), [[0, 1, 2, 3]]);
        assert_eq!(groups(&[10, 10, 10, 10], 1, 34), [vec![0, 1, 2], vec![0, 3]]);
        assert_eq!(groups(&[10, 90, 10, 10], 1, 40), [vec![0, 1], vec![0, 2, 3]]);
    }
}
