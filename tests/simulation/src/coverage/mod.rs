//! What the scenarios of a soak reached: tables that count, for each thing that a generator should make, the
//! scenarios in which it happened.
//!
//! A soak that breaks no invariant says nothing about what never happened in it. So each world keeps tables
//! beside its invariants. A cell that nothing can reach says why; every other cell has to be reached by the seeds of
//! the gate. Each observer marks cells alone and decides nothing, so that a soak is as fast with it.

pub(crate) mod calls;

use std::fmt;

/// A table of what can happen: each cell is one thing.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) rows: &'static [&'static str],
    pub(crate) columns: &'static [&'static str],
    /// Which cells the scenarios should reach.
    pub(crate) reach: fn(usize, usize) -> Reach,
}

/// Whether scenarios reach a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// The seeds of the gate have to.
    Wanted,
    /// Some may, for this reason; none has to.
    Seldom(&'static str),
    /// None can, for this reason.
    Never(&'static str),
    /// The pair is counted at its mirror image.
    Mirrored,
}

impl Reach {
    /// The cells of a table of pairs: each is counted once, whichever comes first.
    pub(crate) fn of_pair(row: usize, column: usize) -> Self {
        if column > row { Self::Mirrored } else { Self::Wanted }
    }
}

/// The cells that one scenario reached.
#[derive(Debug)]
pub(crate) struct Reached {
    tables: &'static [Table],
    cells: Vec<Vec<bool>>,
}

impl Reached {
    pub(crate) fn new(tables: &'static [Table]) -> Self {
        let cells = |table: &Table| vec![false; table.rows.len() * table.columns.len()];
        Self { tables, cells: tables.iter().map(cells).collect() }
    }

    /// Marks a cell of the table with this index.
    pub(crate) fn mark(&mut self, table: usize, row: usize, column: usize) {
        let columns = self.tables.get(table).map_or(0, |table| table.columns.len());
        let cells = self.cells.get_mut(table);
        if let Some(cell) = cells.and_then(|cells| cells.get_mut(row * columns + column)) {
            *cell = true;
        }
    }
}

/// In how many scenarios each cell of some tables was reached. Its `Display` text is these tables.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    tables: &'static [Table],
    counts: Vec<Vec<u64>>,
}

impl Coverage {
    pub(crate) fn new(tables: &'static [Table]) -> Self {
        let counts = |table: &Table| vec![0; table.rows.len() * table.columns.len()];
        Self { tables, counts: tables.iter().map(counts).collect() }
    }

    pub(crate) fn add_scenario(&mut self, reached: &Reached) {
        for (counts, cells) in self.counts.iter_mut().zip(&reached.cells) {
            for (count, cell) in counts.iter_mut().zip(cells) {
                *count += u64::from(*cell);
            }
        }
    }

    pub(crate) fn add(&mut self, more: &Self) {
        if self.tables.is_empty() {
            self.clone_from(more);
            return;
        }
        for (counts, more) in self.counts.iter_mut().zip(&more.counts) {
            for (count, more) in counts.iter_mut().zip(more) {
                *count += more;
            }
        }
    }

    /// The cells that no scenario reached, though one can: table, row and column.
    #[must_use]
    pub fn missed(&self) -> Vec<String> {
        self.cells(|count, reach| count == 0 && reach == Reach::Wanted)
    }

    /// The cells that a scenario reached, though none should be able to.
    #[must_use]
    pub fn unexpected(&self) -> Vec<String> {
        self.cells(|count, reach| count > 0 && matches!(reach, Reach::Never(_) | Reach::Mirrored))
    }

    fn cells(&self, is_wanted: impl Fn(u64, Reach) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (table, counts) in self.tables.iter().zip(&self.counts) {
            let mut counts = counts.iter();
            for (row, row_name) in table.rows.iter().enumerate() {
                for (column, column_name) in table.columns.iter().enumerate() {
                    let count = counts.next().copied().unwrap_or_default();
                    if is_wanted(count, (table.reach)(row, column)) {
                        found.push(format!("{}: {row_name}, {column_name}", table.title));
                    }
                }
            }
        }
        found
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (table, counts) in self.tables.iter().zip(&self.counts) {
            write_table(f, table, counts)?;
        }
        let missed = self.missed();
        writeln!(f, "{} cells that no scenario reached", missed.len())?;
        missed.iter().try_for_each(|cell| writeln!(f, "  {cell}"))
    }
}

/// The columns have letters, which stand for the names below the table.
fn write_table(f: &mut fmt::Formatter<'_>, table: &Table, counts: &[u64]) -> fmt::Result {
    let width = table.rows.iter().map(|row| row.len()).max().unwrap_or_default();
    writeln!(f, "{}\n", table.title)?;
    write!(f, "{:width$}", "")?;
    for (letter, _) in letters().zip(table.columns) {
        write!(f, " {letter:>4}")?;
    }
    writeln!(f)?;
    let mut reasons: Vec<&'static str> = Vec::new();
    let mut counts = counts.iter();
    for (row, name) in table.rows.iter().enumerate() {
        write!(f, "{name:width$}")?;
        for column in 0..table.columns.len() {
            let count = counts.next().copied().unwrap_or_default();
            let mut number = |why: &'static str| {
                let known = reasons.iter().position(|reason| *reason == why);
                known.unwrap_or_else(|| {
                    reasons.push(why);
                    reasons.len() - 1
                }) + 1
            };
            let text = match (count, (table.reach)(row, column)) {
                (0, Reach::Mirrored) => String::new(),
                (0, Reach::Never(why)) => format!("[{}]", number(why)),
                (0, Reach::Seldom(why)) => format!("({})", number(why)),
                (0, Reach::Wanted) => "NONE".to_owned(),
                (count @ 0..10_000, _) => count.to_string(),
                (count @ 10_000..1_000_000, _) => format!("{}k", count / 1000),
                (count, _) => format!("{}M", count / 1_000_000),
            };
            write!(f, " {text:>4}")?;
        }
        writeln!(f)?;
    }
    writeln!(f)?;
    for (letter, name) in letters().zip(table.columns) {
        writeln!(f, "  {letter}    {name}")?;
    }
    for (number, reason) in reasons.iter().enumerate() {
        writeln!(f, "  {}    {reason}", number + 1)?;
    }
    writeln!(f)
}

fn letters() -> impl Iterator<Item = char> {
    ('a'..='z').chain('A'..='Z')
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLES: [Table; 1] = [Table {
        title: "birds",
        rows: &["pigeon", "dove"],
        columns: &["flies", "swims"],
        reach: |row, column| match (row, column) {
            (1, 1) => Reach::Never("it cannot"),
            _ => Reach::Wanted,
        },
    }];

    fn after(scenarios: &[&[(usize, usize)]]) -> Coverage {
        let mut coverage = Coverage::new(&TABLES);
        for cells in scenarios {
            let mut reached = Reached::new(&TABLES);
            cells.iter().for_each(|(row, column)| reached.mark(0, *row, *column));
            coverage.add_scenario(&reached);
        }
        coverage
    }

    #[test]
    fn a_cell_counts_once_in_a_scenario() {
        let mut all = after(&[&[(0, 0), (0, 0)], &[(0, 0), (1, 0)]]);
        all.add(&after(&[&[(0, 0)]]));
        assert_eq!(all.counts, [[3, 0, 1, 0]]);
    }

    #[test]
    fn only_what_can_be_reached_is_missed() {
        let coverage = after(&[&[(0, 0)]]);
        assert_eq!(coverage.missed(), ["birds: pigeon, swims", "birds: dove, flies"]);
        assert!(coverage.unexpected().is_empty());
        assert_eq!(after(&[&[(1, 1)]]).unexpected(), ["birds: dove, swims"]);
    }

    #[test]
    fn a_table_shows_counts_and_reasons() {
        let text = after(&[&[(0, 0), (1, 0)]]).to_string();
        for line in ["pigeon    1 NONE", "dove      1  [1]", "  b    swims", "  1    it cannot"] {
            assert!(text.lines().any(|it| it == line), "{line:?} is not in\n{text}");
        }
    }
}
