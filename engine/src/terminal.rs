//! What is known of the place a text is printed to, and how a text from an event is made fit for it.

use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How text for a person is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// The most columns of a line.
    pub width: usize,
    /// Whether headings are dim and failures red.
    pub has_colours: bool,
}

/// Where nobody says how wide it is.
const WIDTH_DEFAULT: usize = 80;
/// Narrower than this, no table is one; wider, a line is hard to follow.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=200;

impl Terminal {
    /// What stdout is: `COLUMNS` wide or, without it, as wide as the terminal, from 40 to 200 columns; 80 where it is no
    /// terminal. Colours only on a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[must_use]
    pub fn of_stdout() -> Terminal {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        let told = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok()).filter(|width| *width > 0);
        let measured = || {
            let (width, _) = terminal_size::terminal_size_of(&stdout).filter(|_| is_terminal)?;
            Some(usize::from(width.0))
        };
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let width = told.or_else(measured).unwrap_or(WIDTH_DEFAULT);
        Terminal::new(width, is_terminal && !is_set("NO_COLOR") && !is_dumb)
    }

    /// A terminal of `width` columns, or as near to it as is drawn.
    #[must_use]
    pub fn new(width: usize, has_colours: bool) -> Terminal {
        Terminal { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), has_colours }
    }
}

/// A text from an event as it may be shown on a terminal: control characters, and marks that change the direction of
/// what follows or the line, become `?`.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if is_harmful(letter) { '?' } else { letter }).collect()
}

fn is_harmful(letter: char) -> bool {
    let turns =
        matches!(letter, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// The text, or as much of its beginning as fits `width` columns with `…` behind it.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let more = letter.width().unwrap_or(0);
        if used + more + 1 > width {
            break;
        }
        used += more;
        cut.push(letter);
    }
    cut.truncate(cut.trim_end().len());
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_events_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\u{9b}é"), "a?[31mb?é");
        assert_eq!(printable("a\u{202e}b\n\u{2028}"), "a?b??");
    }

    #[test]
    fn a_cut_text_fits_below_at_and_above() {
        assert_eq!([2, 3, 4].map(|width| cut("abc", width)), ["a…", "abc", "abc"]);
        // Wide letters take two columns, and none is halved.
        assert_eq!([3, 4, 5, 6].map(|width| cut("日本語", width)), ["日…", "日…", "日本…", "日本語"]);
        assert_eq!(cut("abc", 0), "");
    }
}
