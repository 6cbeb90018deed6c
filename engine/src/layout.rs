//! Lines for a terminal: styled pieces, tables of aligned columns, blocks side by side.

use std::fmt::Write as _;

use crate::terminal::{Terminal, columns, cut};

/// The columns between two columns of a table.
const GAP: usize = 2;
/// The columns between two blocks side by side.
const BLOCK_GAP: usize = 4;

/// How a piece of text is drawn. Few on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    /// Dim.
    Heading,
    /// Red.
    Failure,
}

/// A text that goes on one line. It holds no control characters.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) style: Style,
}

impl Piece {
    pub(crate) fn plain(text: impl Into<String>) -> Piece {
        Piece { text: text.into(), style: Style::Plain }
    }

    pub(crate) fn heading(text: impl Into<String>) -> Piece {
        Piece { text: text.into(), style: Style::Heading }
    }

    /// Red, where `is_failure`.
    pub(crate) fn failure_if(is_failure: bool, text: impl Into<String>) -> Piece {
        Piece { text: text.into(), style: if is_failure { Style::Failure } else { Style::Plain } }
    }

    fn cut(&mut self, width: usize) {
        if columns(&self.text) > width {
            self.text = cut(&self.text, width);
        }
    }
}

fn spaces(count: usize) -> Piece {
    Piece::plain(" ".repeat(count))
}

fn line_width(line: &[Piece]) -> usize {
    line.iter().map(|piece| columns(&piece.text)).sum()
}

/// Some lines that belong together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    pub(crate) lines: Vec<Vec<Piece>>,
}

impl Block {
    pub(crate) fn width(&self) -> usize {
        self.lines.iter().map(|line| line_width(line)).max().unwrap_or(0)
    }

    pub(crate) fn push(&mut self, line: Vec<Piece>) {
        self.lines.push(line);
    }

    /// Both blocks on the same lines where `width` is enough, else one below the other with an empty line between.
    pub(crate) fn beside(mut self, other: Block, width: usize) -> Block {
        let left = self.width();
        if self.lines.is_empty() || other.lines.is_empty() {
            self.lines.extend(other.lines);
            return self;
        }
        if left + BLOCK_GAP + other.width() > width {
            self.lines.push(Vec::new());
            self.lines.extend(other.lines);
            return self;
        }
        if self.lines.len() < other.lines.len() {
            self.lines.resize(other.lines.len(), Vec::new());
        }
        for (line, more) in self.lines.iter_mut().zip(other.lines) {
            line.push(spaces(left + BLOCK_GAP - line_width(line)));
            line.extend(more);
        }
        self
    }

    /// Appends the lines, none wider than the terminal and none with spaces at its end.
    pub(crate) fn write(&self, terminal: &Terminal, text: &mut String) {
        for line in &self.lines {
            let mut plain: String = line.iter().map(|piece| piece.text.as_str()).collect();
            plain = cut(plain.trim_end(), terminal.width);
            if !terminal.has_colours {
                text.push_str(&plain);
                text.push('\n');
                continue;
            }
            let mut left = columns(&plain);
            for piece in line {
                let piece_text = if columns(&piece.text) > left { cut(&piece.text, left) } else { piece.text.clone() };
                left -= columns(&piece_text);
                let code = match piece.style {
                    Style::Plain => None,
                    Style::Heading => Some("2"),
                    Style::Failure => Some("31"),
                };
                match code {
                    Some(code) if !piece_text.trim().is_empty() => {
                        write!(text, "\x1b[{code}m{piece_text}\x1b[0m").expect("writing to a string");
                    }
                    _ => text.push_str(&piece_text),
                }
            }
            text.push('\n');
        }
    }
}

/// A column of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableColumn {
    /// Texts stand to the left, numbers to the right.
    pub(crate) is_text: bool,
    /// To how many columns it may be cut where there is no room; numbers never are.
    pub(crate) width_min: Option<usize>,
    /// Whether it is left out, the last such column first, where there is no room even so.
    pub(crate) may_go: bool,
}

impl TableColumn {
    pub(crate) const NUMBER: TableColumn = TableColumn { is_text: false, width_min: None, may_go: false };
    pub(crate) const TEXT: TableColumn = TableColumn { is_text: true, width_min: None, may_go: false };

    pub(crate) const fn shrinks_to(self, width: usize) -> TableColumn {
        TableColumn { width_min: Some(width), ..self }
    }

    pub(crate) const fn may_go(self) -> TableColumn {
        TableColumn { may_go: true, ..self }
    }
}

/// Aligned columns below a heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<TableColumn>,
    rows: Vec<Vec<Piece>>,
}

impl Table {
    /// A table with its headings. There must be as many in every row.
    pub(crate) fn new(columns: Vec<(TableColumn, String)>) -> Table {
        let (columns, headings) = columns.into_iter().map(|(column, title)| (column, Piece::heading(title))).unzip();
        Table { columns, rows: vec![headings] }
    }

    pub(crate) fn push(&mut self, row: Vec<Piece>) {
        assert_eq!(row.len(), self.columns.len(), "pieces of a row");
        self.rows.push(row);
    }

    /// The table in at most `width` columns, as far as cutting texts and leaving columns out can do it.
    pub(crate) fn into_block(mut self, width: usize) -> Block {
        let natural = |column: usize| self.rows.iter().map(|row| columns(&row[column].text)).max().unwrap_or(0);
        let mut naturals: Vec<usize> = (0..self.columns.len()).map(natural).collect();
        let excess = |widths: &[usize]| {
            (widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)).saturating_sub(width)
        };
        let widths = loop {
            let mut widths = naturals.clone();
            // What stands first says what the row is, so it is cut last.
            for (index, column) in self.columns.iter().enumerate().rev() {
                let too_much = excess(&widths);
                if let Some(width_min) = column.width_min {
                    widths[index] = widths[index].saturating_sub(too_much).max(width_min.min(widths[index]));
                }
            }
            let last_to_go = self.columns.iter().rposition(|column| column.may_go);
            let Some(index) = last_to_go.filter(|_| excess(&widths) > 0) else { break widths };
            self.columns.remove(index);
            naturals.remove(index);
            self.rows.iter_mut().for_each(|row| drop(row.remove(index)));
        };
        let columns_of = &self.columns;
        let line = |row: Vec<Piece>| {
            let mut line = Vec::new();
            for (index, mut piece) in row.into_iter().enumerate() {
                piece.cut(widths[index]);
                if index > 0 {
                    line.push(spaces(GAP));
                }
                let padding = spaces(widths[index] - columns(&piece.text));
                if columns_of[index].is_text {
                    line.extend([piece, padding]);
                } else {
                    line.extend([padding, piece]);
                }
            }
            line
        };
        Block { lines: self.rows.into_iter().map(line).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(block: &Block, width: usize, has_colours: bool) -> String {
        let mut text = String::new();
        block.write(&Terminal { width, has_colours }, &mut text);
        text
    }

    fn table(width: usize) -> Block {
        let mut table = Table::new(vec![
            (TableColumn::TEXT.shrinks_to(4), "name".to_owned()),
            (TableColumn::NUMBER, "count".to_owned()),
            (TableColumn::NUMBER.may_go(), "share".to_owned()),
        ]);
        table.push(vec![Piece::plain("日本 shoes"), Piece::failure_if(true, "7"), Piece::plain("1 %")]);
        table.into_block(width)
    }

    #[test]
    fn a_table_is_cut_first_in_its_texts_and_then_loses_columns() {
        assert_eq!(text(&table(24), 80, false), "name        count  share\n日本 shoes      7    1 %\n");
        assert_eq!(text(&table(20), 80, false), "name    count  share\n日本…       7    1 %\n");
        assert_eq!(text(&table(16), 80, false), "name       count\n日本 sho…      7\n");
    }

    #[test]
    fn blocks_stand_side_by_side_where_there_is_room() {
        let both = |width| text(&table(24).beside(table(24), width), width, false);
        let wide = both(52);
        assert!(wide.starts_with("name        count  share    name        count  share\n"), "{wide}");
        assert_eq!(both(51).lines().count(), 5);
    }

    #[test]
    fn headings_are_dim_and_failures_red_and_a_line_never_is_too_wide() {
        let coloured = text(&table(24), 80, true);
        assert!(coloured.contains("\x1b[2mname\x1b[0m") && coloured.contains("\x1b[31m7\x1b[0m"), "{coloured:?}");
        assert_eq!(text(&table(24), 8, false), "name…\n日本 sh…\n");
    }
}
