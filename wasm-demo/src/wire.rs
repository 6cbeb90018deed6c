//! Rows as bytes, from the module that makes them to the one that writes Parquet; both are of one build.
//!
//! A cell is a tag and its value, little-endian; texts and bytes with their length before them.

use engine_model::gold::{ColumnType, TableSchema};
use engine_model::{Cell, Cents, EventTime, Rows};

/// Why bytes are no rows of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at} of rows of table {table}")]
pub struct WireError {
    /// The table.
    pub table: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// Where.
    pub at: usize,
}

const NULL: u8 = 0;
const VALUE: u8 = 1;

/// Appends `count` rows from `first` on, as far as there are any.
///
/// # Panics
/// Where a text is 4 GiB long.
pub fn encode(rows: &Rows, first: usize, count: usize, out: &mut Vec<u8>) {
    let columns = rows.schema().columns().count();
    for row in first..rows.len().min(first.saturating_add(count)) {
        for column in 0..columns {
            encode_cell(rows.cell(row, column), out);
        }
    }
}

fn encode_cell(cell: Cell<'_>, out: &mut Vec<u8>) {
    let mut text = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("a text shorter than 4 GiB");
        out.push(VALUE);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(bytes);
    };
    let number: [u8; 8] = match cell {
        Cell::Null => return out.push(NULL),
        Cell::Text(value) => return text(value.as_bytes()),
        Cell::Bytes(value) => return text(value),
        Cell::Timestamp(time) => time.as_micros().to_le_bytes(),
        Cell::Int32(value) => i64::from(value).to_le_bytes(),
        Cell::Int64(value) => value.to_le_bytes(),
        Cell::Money(cents) => cents.get().to_le_bytes(),
        Cell::Double(value) => value.to_le_bytes(),
    };
    out.push(VALUE);
    out.extend_from_slice(&number);
}

/// The rows of what [`encode`] gave.
///
/// # Errors
/// Where the bytes are not whole rows of that table.
pub fn decode(schema: &'static TableSchema, bytes: &[u8]) -> Result<Rows, WireError> {
    let mut rows = Rows::new(schema);
    let mut reader = Reader { bytes, at: 0, table: schema.name };
    let columns: Vec<_> = schema.columns().collect();
    let mut cells = Vec::with_capacity(columns.len());
    while reader.at < bytes.len() {
        cells.clear();
        for column in &columns {
            let cell = reader.cell(column.kind)?;
            if cell == Cell::Null && !column.nullable {
                return Err(reader.wrong("a null that is not allowed"));
            }
            cells.push(cell);
        }
        rows.push(&cells);
    }
    Ok(rows)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    table: &'static str,
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: &'static str) -> WireError {
        WireError { table: self.table, what, at: self.at }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let taken = self.bytes[self.at..].first_chunk().ok_or_else(|| self.wrong("the end within a value"))?;
        self.at += N;
        Ok(*taken)
    }

    fn cell(&mut self, kind: ColumnType) -> Result<Cell<'a>, WireError> {
        match self.take()? {
            [NULL] => return Ok(Cell::Null),
            [VALUE] => {}
            [_] => return Err(self.wrong("an unknown tag")),
        }
        Ok(match kind {
            ColumnType::Timestamp => Cell::Timestamp(EventTime::from_micros(self.int()?)),
            ColumnType::Int32 => Cell::Int32(i32::try_from(self.int()?).map_err(|_| self.wrong("a number too great"))?),
            ColumnType::Int64 => Cell::Int64(self.int()?),
            ColumnType::Money => Cell::Money(Cents::new(self.int()?)),
            ColumnType::Double => Cell::Double(f64::from_le_bytes(self.take()?)),
            ColumnType::Text => {
                let text = self.text()?;
                Cell::Text(std::str::from_utf8(text).map_err(|_| self.wrong("a text that is no UTF-8"))?)
            }
            ColumnType::Bytes => Cell::Bytes(self.text()?),
        })
    }

    fn int(&mut self) -> Result<i64, WireError> {
        Ok(i64::from_le_bytes(self.take()?))
    }

    fn text(&mut self) -> Result<&'a [u8], WireError> {
        let length = u32::from_le_bytes(self.take()?) as usize;
        let bytes = self.bytes;
        let text = bytes.get(self.at..self.at + length).ok_or_else(|| self.wrong("the end within a text"))?;
        self.at += length;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use engine_model::gold::{KPIS, PAYMENTS};

    use super::*;

    fn payments() -> Rows {
        let mut rows = Rows::new(&PAYMENTS);
        for (reason, amount) in [(Cell::Null, 1), (Cell::Text(""), 2), (Cell::Text("declined"), i64::MAX / 100)] {
            let time = Cell::Timestamp(EventTime::from_micros(-1));
            let cents = Cell::Money(Cents::new(amount));
            let leading = [time, time, Cell::Int32(20_260_101), Cell::Int32(0)];
            rows.push(
                &[&leading[..], &[Cell::Text("card"), Cell::Text("failed"), reason, Cell::Int64(7), cents]].concat(),
            );
        }
        rows
    }

    #[test]
    fn rows_come_back_as_they_went_null_and_empty_apart() {
        let rows = payments();
        let mut bytes = Vec::new();
        encode(&rows, 0, 1, &mut bytes);
        encode(&rows, 1, usize::MAX, &mut bytes);
        let back = decode(&PAYMENTS, &bytes).unwrap();
        assert_eq!(back.len(), 3);
        for row in 0..3 {
            for column in 0..PAYMENTS.columns().count() {
                assert_eq!(back.cell(row, column), rows.cell(row, column), "row {row}, column {column}");
            }
        }
    }

    #[test]
    fn what_is_no_row_is_refused_with_the_place() {
        let mut bytes = Vec::new();
        encode(&payments(), 0, 1, &mut bytes);
        let error = |bytes: &[u8]| decode(&PAYMENTS, bytes).unwrap_err().to_string();
        assert_eq!(error(&bytes[..5]), "the end within a value at byte 1 of rows of table payments");
        assert_eq!(error(&[7]), "an unknown tag at byte 1 of rows of table payments");
        assert_eq!(error(&[0]), "a null that is not allowed at byte 1 of rows of table payments");
        assert_eq!(decode(&KPIS, &[]).unwrap().len(), 0);
    }
}
