//! Tables that fit the terminal.

use std::io;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use crate::colour;
use crate::output::{Output, sanitize};

/// What is between two columns.
const GAP: &str = "  ";

/// The least width that a column is cut to.
const LEAST: usize = 8;

/// A table with a line of titles.
#[derive(Debug)]
pub(crate) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(titles: &[&str]) -> Self {
        let titles = titles.iter().map(|title| (*title).to_owned()).collect();
        Self { titles, rows: Vec::new() }
    }

    /// Leaves out the columns that no row has anything in.
    pub(crate) fn without_empty_columns(mut self) -> Self {
        let has =
            |at: usize| self.rows.iter().any(|row| row.get(at).is_some_and(|one| !one.is_empty()));
        let kept: Vec<bool> = (0..self.titles.len()).map(has).collect();
        for row in self.rows.iter_mut().chain([&mut self.titles]) {
            let mut column = kept.iter();
            row.retain(|_| column.next().is_none_or(|kept| *kept));
        }
        self
    }

    /// Adds a row. Control characters of others' texts are replaced.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let one_line = |cell: String| sanitize(&cell).replace('\n', " ");
        self.rows.push(cells.into_iter().map(one_line).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it, for people alone. Nothing without rows.
    pub(crate) fn print(&self, output: &Output) {
        if self.rows.is_empty() || output.is_json() {
            return;
        }
        for (number, line) in self.lines(width()).into_iter().enumerate() {
            match number == 0 && colour::stdout() {
                true => output.say(format!("\x1b[1m{line}\x1b[0m")),
                false => output.say(line),
            }
        }
    }

    /// The lines, cut to a width.
    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let all = || std::iter::once(&self.titles).chain(&self.rows);
        let mut widths: Vec<usize> = vec![0; self.titles.len()];
        for row in all() {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        if let Some(most) = width {
            fit(&mut widths, most);
        }
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| padded(cell, *width));
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        all().map(line).collect()
    }
}

/// A time as a cell, such as `31s` or `6days`: its largest unit alone.
pub(crate) fn time(time: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Takes from the widest column as long as they do not fit.
fn fit(widths: &mut [usize], most: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > most {
        match widths.iter_mut().max() {
            Some(widest) if *widest > LEAST => *widest -= 1,
            _ => return,
        }
    }
}

/// A cell with blanks after it, or cut with `…` at its end.
fn padded(cell: &str, width: usize) -> String {
    let has = cell.width();
    if has <= width {
        return format!("{cell}{}", " ".repeat(width - has));
    }
    let mut cut = String::new();
    for c in cell.chars() {
        let wider = format!("{cut}{c}");
        if wider.width() >= width {
            break;
        }
        cut = wider;
    }
    let blanks = width.saturating_sub(cut.width() + 1);
    format!("{cut}…{}", " ".repeat(blanks))
}

/// Whether people look at stdout: it is a terminal.
pub(crate) fn is_looked_at() -> bool {
    use std::io::IsTerminal as _;
    io::stdout().is_terminal()
}

/// The width of the terminal that stdout is. `None` elsewhere: programs get all.
fn width() -> Option<usize> {
    if !is_looked_at() {
        return None;
    }
    let set = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    set.or_else(window).filter(|width| *width > 0)
}

#[cfg(unix)]
fn window() -> Option<usize> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn window() -> Option<usize> {
    Some(80)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "SENTENCE"]);
        table.row(["a".to_owned(), "The endpoint answers 503 to everything".to_owned()]);
        table.row(["a-long-name".to_owned(), "鳩の輪 \u{1b}[31m\nring".to_owned()]);
        table
    }

    #[test]
    fn a_table_is_never_wider_than_its_terminal() {
        for width in 18..80 {
            for line in table().lines(Some(width)) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
        let cut = table().lines(Some(30));
        assert_eq!(cut[1], "a            The endpoint ans…");
        assert_eq!(cut[2], "a-long-name  鳩の輪 \u{fffd}[31m ring");
    }

    #[test]
    fn a_column_without_anything_in_it_is_left_out() {
        let mut table = Table::new(&["A", "B", "C"]);
        table.row(["1".to_owned(), String::new(), String::new()]);
        table.row([String::new(), String::new(), "3".to_owned()]);
        assert_eq!(table.without_empty_columns().lines(None), ["A  C", "1", "   3"]);
    }

    #[test]
    fn a_program_gets_everything() {
        let lines = table().lines(None);
        assert_eq!(lines[0], "NAME         SENTENCE");
        assert_eq!(lines[1], "a            The endpoint answers 503 to everything");
    }

    #[test]
    fn very_narrow_terminals_get_least_columns() {
        let lines = table().lines(Some(1));
        assert!(lines.iter().all(|line| line.width() <= 2 * LEAST + GAP.len()), "{lines:?}");
    }
}
