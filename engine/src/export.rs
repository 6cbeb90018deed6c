//! Rows of any table as text for a person. As JSON Lines and CSV they are `engine-feed`'s.

use engine_model::gold::{Column, ColumnType, LEADING};
use engine_model::{Cell, EventTime, Rows, UtcOffset};

use crate::layout::{Piece, Table, TableColumn};
use crate::number::{decimal, integer, local_time, money, percent};
use crate::terminal::{Terminal, columns, cut, printable};

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
    use super::*;

    #[test]
    fn columns_that_do_not_fit_come_below_with_their_keys() {
        assert_eq!(groups(&[10, 10, 10, 10], 1, 80), [[0, 1, 2, 3]]);
        assert_eq!(groups(&[10, 10, 10, 10], 1, 34), [vec![0, 1, 2], vec![0, 3]]);
        assert_eq!(groups(&[10, 90, 10, 10], 1, 40), [vec![0, 1], vec![0, 2, 3]]);
    }
}
