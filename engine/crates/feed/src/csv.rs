//! Rows as CSV, quoted after RFC 4180.

use std::io::{self, Write};

use engine_model::gold::TableSchema;
use engine_model::{Cell, Rows};

use crate::record::text_of;

/// Writes the columns' names as a line of CSV.
///
/// # Errors
/// Where `out` does not take it.
pub fn csv_header(out: &mut impl Write, schema: &TableSchema) -> io::Result<()> {
    let names: Vec<&str> = schema.columns().map(|column| column.name).collect();
    writeln!(out, "{}", names.join(","))
}

/// Writes a row as CSV, with values as [`crate::Record`] has them. Null is empty; an empty text is
/// `""`. Nothing is changed in a text that a spreadsheet would take for a formula: this is the data.
///
/// # Errors
/// Where `out` does not take it.
pub fn csv_row(out: &mut impl Write, rows: &Rows, row: usize) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use engine_model::gold::REJECTED;

    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_keeps_null_and_empty_apart() {
        let row = |raw: &[u8], reason: &str| {
            let mut rows = Rows::new(&REJECTED);
            let (zero, source) = (Cell::Int64(0), Cell::Text("a,b"));
            rows.push(&[Cell::Bytes(raw), zero, Cell::Text(reason), Cell::Null, source, Cell::Int32(0), zero]);
            let mut out = Vec::new();
            csv_row(&mut out, &rows, 0).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(row(b"{\"a\":\n1}", "x"), "\"{\"\"a\"\":\n1}\",0,x,,\"a,b\",0,0\n");
        assert_eq!(row(b"", ""), "\"\",0,\"\",,\"a,b\",0,0\n");
        assert_eq!(row(b"\xff", "=1+1"), "/w==,0,=1+1,,\"a,b\",0,0\n");
    }
}
